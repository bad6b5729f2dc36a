"""When each message and each prompt of a replay is published."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sam3_ros.replay.ask.cues import PromptCue, is_on_image
from sam3_ros.replay.bag.bag import Bag, BagMessage
from sam3_ros.replay.bag.stamps import NANOSECONDS


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A message or a prompt with its time."""

    #: Seconds since the replay began, at rate 1.
    at: float
    item: BagMessage | PromptCue
    #: The bag's time as published on /clock.
    bag_ns: int = 0
    #: To be added to the message's stamp.
    shift_ns: int = 0
    #: From 0.
    loop: int = 0


@dataclass(frozen=True)
class Loops:
    """How a bag is repeated."""

    #: How often the bag is played.
    count: int
    #: Seconds from the last message of one loop to the first of the next.
    period: float
    #: Play each loop with the recorded stamps.
    repeat_stamps: bool = False


@dataclass(frozen=True)
class ReplayProgress:
    """How far a replay is."""

    #: The replay's time, s, at rate 1.
    at: float
    #: The replay's length, s, at rate 1.
    seconds: float
    #: Images.
    sent: int
    #: Images.
    answered: int


OnProgress: TypeAlias = Callable[[ReplayProgress], None]


def schedule(
    bag: Bag, topics: Collection[str], cues: Sequence[PromptCue], loops: Loops
) -> Iterator[Scheduled]:
    """Yield messages and prompts in time order.

    At one time prompts come first, then messages, then clicks on an image. Prompts are asked
    once, in the first loop.
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
