"""When each message and each prompt of a replay goes out."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from sam3_ros.replay.ask.cues import PromptCue, is_on_image
from sam3_ros.replay.bag.bag import Bag, BagMessage
from sam3_ros.replay.bag.stamps import NANOSECONDS


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


@dataclass(frozen=True)
class ReplayProgress:
    """at, seconds: the replay's time and length, s, at rate 1."""

    at: float
    seconds: float
    sent: int
    answered: int


OnProgress = Callable[[ReplayProgress], None]
