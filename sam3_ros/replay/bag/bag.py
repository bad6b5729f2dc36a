"""A rosbag2 recording, mcap or sqlite3, as serialised messages in time order.

Above 300 lines, because what is left out of a recording, and told, is decided in one place.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import zstandard
from rosbags.typesys import Stores, get_typestore

from sam3_ros.replay.bag.bag_file import open_recording
from sam3_ros.replay.bag.bag_folder import BagParts, find_parts
from sam3_ros.replay.bag.depth_topics import is_depth
from sam3_ros.replay.bag.image_stamps import ImageStamps
from sam3_ros.replay.bag.own_outputs import left_out_outputs
from sam3_ros.replay.bag.recording import (
    CDR,
    BagError,
    BagRemark,
    BagRemarks,
    RecordedMessage,
    Recording,
    TimeWindow,
    grouped,
)
from sam3_ros.replay.bag.unpacking import ZSTD_MAGIC, TooLargeError, unpacked_frames

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
IMAGE_TYPES = (IMAGE, COMPRESSED_IMAGE)
DEFAULT_NODE = "/segmentation_node"

_NOT_CDR = "not serialised as ROS 2 does it (CDR), left out"
_TOLD = 5
# Bytes of a message that was compressed by itself.
_MOST_OF_A_MESSAGE = 1 << 28


@dataclass(frozen=True)
class BagTopic:
    name: str
    #: Such as "sensor_msgs/msg/Image".
    type_name: str
    message_count: int


@dataclass(frozen=True, eq=False)
class BagMessage:
    """A serialised message."""

    topic: str
    type_name: str
    #: Seconds since the bag's first message.
    at: float
    #: The message as it is sent over the wire.
    cdr: bytes


class Bag:
    """An open bag, from open_bag.

    What cannot be played is left out; `remarks` says so. Each image of a topic has a stamp of its
    own, which may differ from the recorded one; that is remarked too.
    """

    def __init__(
        self,
        path: Path,
        parts: BagParts,
        recordings: Sequence[Recording],
        repairs: BagRemarks,
        node: str,
    ) -> None:
        self.path = path
        self._recordings = sorted(recordings, key=_first_time)
        self._repairs = repairs
        self._left_out = BagRemarks()
        spans = [recording.span for recording in recordings if recording.span is not None]
        #: Of the first message, by the recorder's clock.
        self.start_ns = min((begin for begin, _ in spans), default=0)
        self.duration = (max((end for _, end in spans), default=0) - self.start_ns) / 1e9
        self._overlap = any(one[1] > other[0] for one, other in pairwise(sorted(spans)))
        self.topics = self._playable(node)
        self._has_metadata = parts.has_metadata
        self._depth: dict[str, bool] = {}
        self._typestore = get_typestore(Stores.ROS2_HUMBLE)
        total = sum(c.message_count for each in recordings for c in each.channels)
        if parts.promised is not None and parts.promised > total:
            self._left_out.add(
                path.name,
                f"its metadata.yaml promises {parts.promised} messages, {total} are there",
            )

    @property
    def remarks(self) -> tuple[BagRemark, ...]:
        """What is left out or changed, as far as it was come by."""
        return (*self.repairs, *self._left_out)

    @property
    def repairs(self) -> tuple[BagRemark, ...]:
        """Those remarks that are about more than topics that are left out whole."""
        return (*self._repairs, *(r for each in self._recordings for r in each.remarks))

    def remark(self, part: str, remark: str) -> None:
        """Add a remark."""
        self._left_out.add(part, remark)

    def leave_out(self, topic: str, reason: str) -> None:
        """Leave out a topic from here on, and remark it."""
        left = self.topics.pop(topic)
        self._left_out.add(topic, reason, left.message_count)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of these topics, by default of all, in time order.

        Raises BagError where a file cannot be read any more.
        """
        wanted = {name for name in self.topics if topics is None or name in topics}
        if not wanted:
            return
        stamps = {n: ImageStamps() for n in wanted if self.topics[n].type_name in IMAGE_TYPES}
        damaged: Counter[str] = Counter()
        for time_ns, topic, data in self._recorded(wanted):
            cdr = self._cdr(data)
            if cdr is None:
                damaged[topic] += 1
                continue
            if topic in stamps:
                cdr = stamps[topic].corrected(cdr, time_ns)
            if cdr is not None:
                at = (time_ns - self.start_ns) / 1e9
                yield BagMessage(topic, self.topics[topic].type_name, at, cdr)
        for topic, each in stamps.items():
            self._repairs.add_counts(topic, each.counts)
        for topic, count in damaged.items():
            self._repairs.add(topic, _NOT_CDR, count)

    def times(self, topic: str) -> list[int]:
        """Return when the messages of a topic were recorded, ns, in order, mostly without reading.

        Where a file is damaged, its index may promise more than `recorded` yields.
        """
        return sorted(chain.from_iterable(each.times(topic) for each in self._recordings))

    def recorded(self, topic: str, window: TimeWindow | None = None) -> Iterator[RecordedMessage]:
        """Yield the messages of a topic as they were recorded, in time order.

        Their stamps are their own, those that repeat too. The data of what is no CDR is empty.
        """
        for time_ns, _, data in self._recorded({topic}, window):
            yield RecordedMessage(time_ns, topic, self._cdr(data) or b"")

    def decode(self, message: BagMessage) -> Any:
        """Return the message with its fields, arrays as numpy arrays. Raises BagError."""
        try:
            return self._typestore.deserialize_cdr(message.cdr, message.type_name)
        # Damaged bytes raise errors of many kinds: struct, Unicode, numpy.
        except Exception as error:
            said = str(error) or type(error).__name__
            raise BagError(
                f"cannot read the {message.type_name} on {message.topic} of {self.path} at "
                f"{message.at:.3f} s: {said}"
            ) from error

    def image_topic(self, asked: str | None = None) -> BagTopic:
        """Return the camera's topic: the one asked for, else the bag's only camera topic.

        Raises BagError.
        """
        images = {n: t for n, t in self.topics.items() if t.type_name in IMAGE_TYPES}
        if asked is not None:
            if asked in images:
                return images[asked]
            raise BagError(
                f"{self.path} has no images on {asked}; it has {_listed(images)}{self._because()}"
            )
        cameras = self.camera_topics
        if not cameras:
            others = [f"{t.name} ({t.type_name})" for t in self.topics.values()]
            raise BagError(
                f"expected a topic of images ({' or '.join(IMAGE_TYPES)}) in {self.path}, found "
                f"none{f' among {_few(others)}' if others else ''}{self._because()}"
            )
        if len(cameras) != 1:
            raise BagError(
                f"expected one topic of images in {self.path}, found {_listed(cameras)}: "
                "choose one with --image-topic, or name them with --camera; with --expect, list "
                f"cameras under play in its file{self._because()}"
            )
        return images[cameras[0]]

    @property
    def camera_topics(self) -> list[str]:
        """The topics of images that are not depth or truth; without those that have no image."""
        images = [t for t in self.topics.values() if t.type_name in IMAGE_TYPES]
        cameras = [t for t in images if "/truth/" not in t.name and not self.is_depth(t.name)]
        return [t.name for t in cameras if t.message_count] or [t.name for t in cameras]

    def is_depth(self, topic: str) -> bool:
        """Return whether the first image of a topic is depth; reads it once."""
        if topic not in self._depth:
            kind = self.topics[topic].type_name if topic in self.topics else ""
            first = next(self._recorded({topic}), None) if kind in IMAGE_TYPES else None
            data = b"" if first is None else _unpacked(first.data) or b""
            self._depth[topic] = is_depth(data, is_compressed=kind == COMPRESSED_IMAGE)
        return self._depth[topic]

    def _playable(self, node: str) -> dict[str, BagTopic]:
        """Return the topics that can be played, by name; remark the others."""
        counts: Counter[str] = Counter()
        types: dict[str, str] = {}
        refused: dict[str, str] = {}
        for channel in chain.from_iterable(each.channels for each in self._recordings):
            counts[channel.topic] += channel.message_count
            reason = _why_not_played(channel.encoding, channel.type_name)
            if reason:
                refused.setdefault(channel.topic, reason)
            else:
                types.setdefault(channel.topic, channel.type_name)
        refused = {t: reason for t, reason in refused.items() if t not in types}
        refused |= left_out_outputs(types, node)
        for topic, reason in sorted(refused.items()):
            self._left_out.add(topic, reason, counts[topic])
        return {
            topic: BagTopic(topic, kind, counts[topic])
            for topic, kind in sorted(types.items())
            if topic not in refused
        }

    def _recorded(
        self, topics: Collection[str], window: TimeWindow | None = None
    ) -> Iterator[RecordedMessage]:
        each = [recording.messages(topics, window) for recording in self._recordings]
        if self._overlap:
            return heapq.merge(*each, key=lambda message: message.time_ns)
        return chain.from_iterable(each)

    def _cdr(self, data: bytes) -> bytes | None:
        """Return a message as it was before it was compressed; None for what is no CDR."""
        unpacked = _unpacked(data)
        if unpacked is not None and unpacked is not data and not self._has_metadata:
            self._repairs.add(self.path.name, "its messages were compressed, by zstandard")
        return unpacked if unpacked and len(unpacked) > 4 and unpacked[0] == 0 else None

    def _because(self) -> str:
        """Return what is remarked, for an error."""
        told = [str(remark) for remark in grouped(self.remarks)]
        if not told:
            return ""
        more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
        return f". Of the bag: {'; '.join(told[:_TOLD])}{more}"


@contextmanager
def open_bag(path: Path, node: str = DEFAULT_NODE) -> Iterator[Bag]:
    """Open a rosbag2 folder, or a single .mcap or .db3 file.

    node: the full name of the node under test, whose recorded answers are left out. Raises
    BagError.
    """
    repairs = BagRemarks()
    with ExitStack() as stack:
        try:
            parts = find_parts(path, repairs)
            recordings = _opened(parts, repairs, stack)
        except OSError as error:
            named = error.filename or path
            raise BagError(f"cannot read {named}: {error.strerror or error}") from error
        yield Bag(path, parts, recordings, repairs, node)


def _opened(parts: BagParts, repairs: BagRemarks, stack: ExitStack) -> list[Recording]:
    """Open those files that can be opened. Raises BagError if none can."""
    recordings: list[Recording] = []
    errors: list[BagError | OSError] = []
    for file in parts.files:
        try:
            recording = open_recording(file)
        except (BagError, OSError) as error:  # noqa: PERF203
            errors.append(error)
            repairs.add(file.name, f"left out: {error}")
        else:
            stack.callback(recording.close)
            recordings.append(recording)
    if not recordings:
        raise errors[0]
    return recordings


def _why_not_played(encoding: str, type_name: str) -> str:
    if encoding.startswith("ros1"):
        return "of ROS 1, left out: rosbags-convert makes a ROS 2 bag of a ROS 1 bag"
    if encoding != CDR:
        return f"{encoding or 'of an unknown encoding'}, not ROS 2's {CDR}: left out"
    return "" if type_name else "no type of message in the file: left out"


def _unpacked(data: bytes) -> bytes | None:
    """Return a message as it was before it was compressed; None for what cannot be unpacked."""
    if not data.startswith(ZSTD_MAGIC):
        return data
    try:
        return b"".join(unpacked_frames([data], _MOST_OF_A_MESSAGE))
    except (zstandard.ZstdError, EOFError, TooLargeError):
        return None


def _first_time(recording: Recording) -> int:
    return 0 if recording.span is None else recording.span[0]


def _few(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return f"{', '.join(names[:_TOLD])}{f' and {more} more' if more > 0 else ''}"


def _listed(topics: Collection[str]) -> str:
    return ", ".join(topics) if topics else "none"


__all__ = [
    "COMPRESSED_IMAGE",
    "DEFAULT_NODE",
    "IMAGE",
    "IMAGE_TYPES",
    "Bag",
    "BagError",
    "BagMessage",
    "BagRemark",
    "BagTopic",
    "TimeWindow",
    "open_bag",
]
