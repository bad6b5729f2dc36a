"""Which images of a topic are labelled, and how they are cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sam3_ros.label.chunk import FramePlace

_SECOND_NS = 1_000_000_000
# Of pictures: longer than any video.
_LONGEST_STEP = 1e15


@dataclass(frozen=True)
class Selection:
    """What of a source is labelled."""

    #: Topics of bags; empty for every topic with images.
    topics: tuple[str, ...] = ()
    #: Of each topic, every so many-th image ...
    every: int = 1
    #: ... or at most so many a second of the recording; None for no limit.
    rate: float | None = None
    #: Images of a chunk; with tracking, of a track span.
    chunk_frames: int = 32
    #: Objects are followed through each chunk.
    track: bool = False

    def document(self) -> dict[str, Any]:
        """Return what an identity holds of it."""
        return {**asdict(self), "topics": list(self.topics)}

    def of_times(self, times_ns: Sequence[int]) -> list[FramePlace]:
        """Choose among the images that were recorded at these times, ns, in order."""
        places: list[FramePlace] = []
        rank, before, next_slot = 0, None, -1
        for index, time_ns in enumerate(times_ns):
            rank = rank + 1 if time_ns == before else 0
            before = time_ns
            if index % self.every:
                continue
            if self.rate is not None:
                slot = math.floor((time_ns - times_ns[0]) * self.rate / _SECOND_NS)
                if slot < next_slot:
                    continue
                next_slot = slot + 1
            places.append(FramePlace(index, time_ns, rank=rank))
        return places

    def step_at(self, pictures_per_second: float) -> int:
        """Return the step from one picture of a video to the next that is labelled."""
        if self.rate is None:
            return self.every
        return max(1, math.ceil(min(pictures_per_second / self.rate, _LONGEST_STEP)))

    def cut(self, places: Sequence[FramePlace]) -> Iterator[tuple[FramePlace, ...]]:
        """Yield the frames of each chunk."""
        for begin in range(0, len(places), self.chunk_frames):
            yield tuple(places[begin : begin + self.chunk_frames])
