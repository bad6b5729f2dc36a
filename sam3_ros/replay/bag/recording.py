"""One file of a bag, whatever its storage: what it has, and what of it cannot be played."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sam3_ros.core.errors import Sam3RosError

#: The only form of messages that ROS 2 sends.
CDR = "cdr"
_PARTS_TOLD = 4
_SHORT_TYPE = re.compile(r"(\w+)/(\w+)")
_DDS_TYPE = re.compile(r"(\w+)::(msg|srv|action)::(?:dds_::)?(\w+?)_?")


class BagError(Sam3RosError):
    """A bag that cannot be read, or that lacks what was asked for."""


@dataclass(frozen=True)
class BagRemark:
    """Something in a bag that is not played, or not as it was recorded."""

    #: The file or the topic.
    part: str
    #: What is so, and what to do about it.
    remark: str
    #: How many messages it concerns; None where that is not known.
    messages: int | None = None

    def __str__(self) -> str:
        count = "" if self.messages is None else f" ({_counted(self.messages)})"
        return f"{self.part}{count}: {self.remark}"


@dataclass(frozen=True)
class Channel:
    """A topic in one file."""

    topic: str
    #: Such as "sensor_msgs/msg/Image"; empty where the file does not say.
    type_name: str
    #: Such as "cdr", "json", "protobuf", "ros1".
    encoding: str
    message_count: int


class RecordedMessage(NamedTuple):
    """A message as it lies in the file."""

    #: Nanoseconds, by the recorder's clock.
    time_ns: int
    topic: str
    data: bytes


class TimeWindow(NamedTuple):
    """A part of a recording, by the recorder's clock, ns; both ends belong to it."""

    first: int
    last: int


class Recording(Protocol):
    """An open file of a bag. What is damaged in it is left out and remarked."""

    remarks: BagRemarks

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels by their topics in the file."""

    @property
    def span(self) -> tuple[int, int] | None:
        """The times of the first and the last message, ns; None without any."""

    def messages(
        self, topics: Collection[str], window: TimeWindow | None = None
    ) -> Iterator[RecordedMessage]:
        """Yield the messages of these topics in time order; those in the window alone, if any."""

    def times(self, topic: str) -> list[int]:
        """Return when the messages of a topic were recorded, ns, in order.

        By the index where the file has one, which may promise more than can be read.
        """

    def close(self) -> None:
        """Close the file."""


@dataclass
class BagRemarks:
    """The remarks on a bag as they come; one that comes again, as in a second pass, counts once."""

    _remarks: dict[tuple[str, str], int | None] = field(default_factory=dict)

    def add(self, part: str, remark: str, messages: int | None = None) -> None:
        """Add a remark; of the same one with another count, the larger counts."""
        before = self._remarks.get((part, remark))
        self._remarks[part, remark] = (
            messages if before is None or messages is None else max(before, messages)
        )

    def add_counts(self, part: str, counts: Counter[str]) -> None:
        """Add a remark for each text, with its number of messages."""
        for remark, messages in counts.items():
            self.add(part, remark, messages)

    def __iter__(self) -> Iterator[BagRemark]:
        return iter([BagRemark(part, text, n) for (part, text), n in self._remarks.items()])


def grouped(remarks: Iterable[BagRemark]) -> list[BagRemark]:
    """Join those that say the same of several parts into one."""
    by_text: dict[str, list[BagRemark]] = {}
    for remark in remarks:
        by_text.setdefault(remark.remark, []).append(remark)
    return [BagRemark(_parts(each), text, _total(each)) for text, each in by_text.items()]


def _parts(remarks: list[BagRemark]) -> str:
    more = len(remarks) - _PARTS_TOLD
    names = ", ".join(remark.part for remark in remarks[:_PARTS_TOLD])
    return f"{names} and {more} more" if more > 0 else names


def _total(remarks: list[BagRemark]) -> int | None:
    counts = [remark.messages for remark in remarks if remark.messages is not None]
    return sum(counts) if counts else None


def full_type_name(name: str) -> str:
    """Return a type as ROS 2 writes it: "sensor_msgs/msg/Image" for "sensor_msgs/Image".

    Recorders that are not rosbag2 write the short form, or that of DDS.
    """
    short = _SHORT_TYPE.fullmatch(name)
    if short:
        return f"{short[1]}/msg/{short[2]}"
    dds = _DDS_TYPE.fullmatch(name)
    return f"{dds[1]}/{dds[2]}/{dds[3]}" if dds else name


def _counted(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"
