"""Which input has which number: the seed and the number alone decide."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

#: Inputs between two checks that the node still answers rightly.
BATCH = 50
#: Inputs between two changes of image_transport.
BLOCK = 200


class Channel(Enum):
    """How an input reaches what it attacks. Value: for people."""

    RAW = "raw images"
    COMPRESSED = "compressed images"
    MALFORMED = "bytes that are no message"
    PROMPT = "prompts"
    CALL = "calls of services"
    SEGMENT = "calls of ~/segment"
    TRANSITION = "transitions under traffic"
    FILE = "image files"
    BUNDLE = "bundles"
    PACKET = "packets on DDS's ports"


# Of a hundred inputs; images are raw in one block and compressed in the next.
_SHARES = {
    "images": 37,
    Channel.PROMPT: 20,
    Channel.CALL: 14,
    Channel.FILE: 12,
    Channel.SEGMENT: 5,
    Channel.MALFORMED: 4,
    Channel.PACKET: 4,
    Channel.BUNDLE: 3,
    Channel.TRANSITION: 1,
}


@dataclass(frozen=True)
class Input:
    """One input, before it is made."""

    seed: int
    number: int
    channel: Channel
    #: Of the block that it lies in: how the node takes images then.
    transport: str

    def chance(self) -> random.Random:
        """Return the source of all that is random in it, always from the same start."""
        return random.Random(f"{self.seed}/{self.number}")


def input_of(seed: int, number: int) -> Input:
    """Return the input of this number, from 1."""
    raw = (number - 1) // BLOCK % 2 == 0
    chance = random.Random(f"{seed}/{number}/channel")
    (drawn,) = chance.choices(tuple(_SHARES), tuple(_SHARES.values()))
    images = Channel.RAW if raw else Channel.COMPRESSED
    channel = images if drawn == "images" else drawn
    return Input(seed, number, channel, "raw" if raw else "compressed")


def batches(seed: int, numbers: list[int]) -> Iterator[list[Input]]:
    """Yield the inputs in batches, none of which has both transports."""
    batch: list[Input] = []
    for number in numbers:
        each = input_of(seed, number)
        if batch and (len(batch) == BATCH or batch[-1].transport != each.transport):
            yield batch
            batch = []
        batch.append(each)
    if batch:
        yield batch
