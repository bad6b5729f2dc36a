"""When each message and each prompt of a replay goes out."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sam3_ros.ros.replay.bag import Bag, BagError, BagMessage
from sam3_ros.ros.replay.message_header import read_header
from sam3_ros.ros.replay.prompt_cues import PromptCue


@dataclass(frozen=True)
class ImageTimes:
    """The bag's images: times, s since the bag's first message, and stamps, ns."""

    at: tuple[float, ...]
    stamps_ns: tuple[int, ...]

    @property
    def period(self) -> float:
        """Mean seconds from one to the next; 0 for a single one."""
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1) if len(self.at) > 1 else 0.0

    def stamp_near(self, at: float) -> int:
        """Of the image that is nearest in time."""
        after = bisect_left(self.at, at)
        near = range(max(after - 1, 0), min(after + 1, len(self.at)))
        return self.stamps_ns[min(near, key=lambda number: abs(self.at[number] - at))]


@dataclass(frozen=True, eq=False)
class Scheduled:
    """at: seconds since the replay began, at rate 1. shift_ns: to be added to a message's stamp."""

    at: float
    item: BagMessage | PromptCue
    shift_ns: int = 0


def read_image_times(bag: Bag, topic: str) -> ImageTimes:
    """Raises BagError unless there are images, each with a stamp of its own."""
    images = [(message.at, _stamp(bag, message)) for message in bag.messages([topic])]
    stamps = [stamp for _, stamp in images]
    if not images:
        raise BagError(f"{bag.path} has no message on {topic}")
    if len(set(stamps)) < len(stamps):
        raise BagError(
            f"{len(stamps) - len(set(stamps))} images on {topic} of {bag.path} have the stamp of "
            "another; a replay tells answers apart by the stamps: record with stamped images"
        )
    return ImageTimes(tuple(at for at, _ in images), tuple(stamps))


def schedule(
    bag: Bag, topics: Collection[str], cues: Sequence[PromptCue], loops: int, period: float
) -> Iterator[Scheduled]:
    """In time order, a prompt before a message of the same time.

    loops: how often the bag is played, with later stamps each time; prompts are asked once.
    period: seconds from the last message of one loop to the first of the next.
    """
    prompts = (Scheduled(cue.at, cue) for cue in sorted(cues, key=lambda cue: cue.at))
    return heapq.merge(prompts, _played(bag, topics, loops, period), key=lambda item: item.at)


def _played(bag: Bag, topics: Collection[str], loops: int, period: float) -> Iterator[Scheduled]:
    for loop in range(loops):
        begin = loop * (bag.duration + period)
        shift_ns = round(begin * 1e9)
        for message in bag.messages(topics):
            yield Scheduled(begin + message.at, message, shift_ns)


def _stamp(bag: Bag, message: BagMessage) -> int:
    try:
        return read_header(message.cdr).stamp_ns
    except ValueError as error:
        raise BagError(f"{bag.path}, {message.topic} at {message.at:.3f} s: {error}") from error
