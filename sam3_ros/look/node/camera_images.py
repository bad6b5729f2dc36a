"""The last images of a camera as the node gets them: kept as they came, read only if needed."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.look.node.tap import Tap
from sam3_ros.look.viewing import PictureStamp

IMAGE_KINDS: dict[str, type[Any]] = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
}
# Behind the newest answer: as many as the node keeps, since a click answers an earlier image again.
_KEPT_BEHIND = 8
# A large model takes seconds for an image, while others come.
_MOST_BYTES = 128 * 2**20
# Of a serialised message that begins with a header: the encapsulation's flag of byte order, and
# where seconds, nanoseconds and the length of frame_id lie (OMG, DDSI-RTPS 10 and CDR).
_ORDER, _HEAD = 1, 4
_DEPTH_ENCODINGS = ("16UC1", "32FC1")


@dataclass(frozen=True)
class ImageTopic:
    """A topic from which the node takes images."""

    name: str
    #: Of IMAGE_KINDS.
    kind: str


@dataclass(frozen=True, eq=False)
class _Kept:
    stamp: PictureStamp
    frame_id: str
    kind: type[Any]
    serialised: bytes


class CameraImages:
    """Subscribes while somebody needs the images; for the ROS thread."""

    def __init__(self, node: Node, topics: Callable[[], Sequence[ImageTopic]]) -> None:
        """topics: returns those that may be the camera's; more than one where it is not clear."""
        self._node, self._topics = node, topics
        self._needed = 0
        self._taps: dict[ImageTopic, Tap] = {}
        self._kept: deque[_Kept] = deque()
        self._nbytes = 0
        #: When the last one came, time.monotonic() s.
        self.newest_at = float("-inf")

    def need(self) -> None:
        """Subscribe, as often as is released."""
        self._needed += 1
        self.refresh()

    def release(self) -> None:
        self._needed -= 1
        self.refresh()

    def refresh(self) -> None:
        """Follow the topics, which may have changed, and what they offer."""
        wanted = set(self._topics()) if self._needed else set()
        for topic in self._taps.keys() - wanted:
            self._taps.pop(topic).set_open(False)
        for topic in wanted - self._taps.keys():
            kind = IMAGE_KINDS[topic.kind]
            keep = partial(self._keep, kind)
            self._taps[topic] = Tap(self._node, kind, topic.name, keep, raw=True)
        for tap in self._taps.values():
            tap.set_open(True)
            tap.follow_offer()
        if not self._needed:
            self._kept.clear()
            self._nbytes = 0

    @property
    def is_needed(self) -> bool:
        return bool(self._needed)

    @property
    def has_topics(self) -> bool:
        return bool(self._taps)

    def note_answer(self, stamp: PictureStamp) -> None:
        """Forget what came long before the image that is answered: it will not be asked for."""
        places = [place for place, kept in enumerate(self._kept) if kept.stamp == stamp]
        for _ in range(places[0] - _KEPT_BEHIND if places else 0):
            self._forget_oldest()

    def find(self, stamp: PictureStamp, frame_id: str) -> Image | CompressedImage | None:
        """Return the image of this header; None if it is not kept, or did not come.

        A depth image, which may have the same header, is none.
        """
        for kept in reversed(self._kept):
            if (kept.stamp, kept.frame_id) == (stamp, frame_id):
                message: Image | CompressedImage = deserialize_message(kept.serialised, kept.kind)
                if not _is_depth(message):
                    return message
        return None

    def _keep(self, kind: type[Any], serialised: bytes) -> None:
        stamp, frame_id = _header_of(serialised)
        self._kept.append(_Kept(stamp, frame_id, kind, serialised))
        self._nbytes += len(serialised)
        self.newest_at = time.monotonic()
        while self._nbytes > _MOST_BYTES and len(self._kept) > 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._nbytes -= len(self._kept.popleft().serialised)


def _is_depth(message: Image | CompressedImage) -> bool:
    if isinstance(message, CompressedImage):
        return "compressedDepth" in message.format
    return message.encoding.upper() in _DEPTH_ENCODINGS


def _header_of(serialised: bytes) -> tuple[PictureStamp, str]:
    """Read the header alone: all of an image would take a hundred times as long."""
    order = "<" if serialised[_ORDER] else ">"
    seconds, nanoseconds, length = struct.unpack_from(f"{order}iII", serialised, _HEAD)
    begin = _HEAD + 12
    name = bytes(serialised[begin : begin + max(length - 1, 0)])  # it ends with a zero
    return PictureStamp(seconds, nanoseconds), name.decode("utf-8", "replace")
