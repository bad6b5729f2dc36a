"""When each message and each prompt of a replay goes out."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, PromptCue
from sam3_ros.replay.bag.bag import Bag, BagError, BagMessage
from sam3_ros.replay.bag.header import NANOSECONDS, read_header


@dataclass(frozen=True)
class ImageTimes:
    """The bag's images: times, s since the bag's first message, and stamps, ns."""

    at: tuple[float, ...]
    stamps_ns: tuple[int, ...]

    @property
    def period(self) -> float:
        """Mean seconds from one to the next; 0 for a single one."""
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1) if len(self.at) > 1 else 0.0

    def stamp_at(self, at: float) -> int:
        """Of the newest image at a time; of the first one before that."""
        return self.stamps_ns[max(bisect_right(self.at, at) - 1, 0)]


@dataclass(frozen=True, eq=False)
class Scheduled:
    """at: seconds since the replay began, at rate 1. loop: from 0.

    bag_ns: the bag's time, as /clock tells it. shift_ns: to be added to a message's stamp.
    """

    at: float
    item: BagMessage | PromptCue
    bag_ns: int = 0
    shift_ns: int = 0
    loop: int = 0


@dataclass(frozen=True)
class Loops:
    """count: how often the bag is played. repeat_stamps: with the recorded stamps each time.

    period: seconds from the last message of one loop to the first of the next.
    """

    count: int
    period: float
    repeat_stamps: bool = False


def read_image_times(bag: Bag, topic: str, only_every: int = 1) -> ImageTimes:
    """Of each so manieth image. Raises BagError unless each has a stamp of its own."""
    images = [(message.at, _stamp(bag, message)) for message in bag.messages([topic])]
    images = images[::only_every]
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
    bag: Bag, topics: Collection[str], cues: Sequence[PromptCue], loops: Loops
) -> Iterator[Scheduled]:
    """In time order. At one time first prompts, then messages, then clicks on an image.

    Prompts are asked once, in the first loop.
    """
    early = [cue for cue in cues if not is_on_image(cue)]
    late = [cue for cue in cues if is_on_image(cue)]
    return heapq.merge(
        _asked(bag, early), _played(bag, topics, loops), _asked(bag, late), key=lambda item: item.at
    )


def is_on_image(cue: PromptCue) -> bool:
    """Whether it is a click that names the image it was placed on."""
    return isinstance(cue, (PointCue, BoxCue)) and cue.on is On.IMAGE


def _asked(bag: Bag, cues: Sequence[PromptCue]) -> Iterator[Scheduled]:
    for cue in sorted(cues, key=lambda cue: cue.at):
        yield Scheduled(cue.at, cue, bag.start_ns + round(cue.at * NANOSECONDS))


def _played(bag: Bag, topics: Collection[str], loops: Loops) -> Iterator[Scheduled]:
    for loop in range(loops.count):
        begin = loop * (bag.duration + loops.period)
        shift_ns = 0 if loops.repeat_stamps else round(begin * NANOSECONDS)
        for message in bag.messages(topics):
            bag_ns = bag.start_ns + round(message.at * NANOSECONDS) + shift_ns
            yield Scheduled(begin + message.at, message, bag_ns, shift_ns, loop)


def _stamp(bag: Bag, message: BagMessage) -> int:
    try:
        return read_header(message.cdr).stamp_ns
    except ValueError as error:
        raise BagError(f"{bag.path}, {message.topic} at {message.at:.3f} s: {error}") from error
