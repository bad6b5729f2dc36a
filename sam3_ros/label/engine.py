"""The seam to what runs the work: processes of this machine, or a cluster.

Both run `label_chunk` of labeller.py, which writes the chunk's file itself. What comes back is
small: neither images nor masks pass through the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sam3_ros.label.chunk import Chunk

#: A chunk that fails so often is set aside.
MOST_TRIES = 3


@dataclass(frozen=True)
class ChunkFigures:
    """What a worker tells of a chunk that is done; its file is in place."""

    frames: int
    #: Of these, how many could not be answered.
    failed_frames: int
    objects: int
    #: How long it took, s.
    seconds: float
    #: The highest resident memory of the worker so far, bytes.
    peak_bytes: int


@dataclass(frozen=True)
class ChunkOutcome:
    """How a chunk ended."""

    #: The key of its source, and its number there.
    source: str
    number: int
    #: None where it is set aside.
    figures: ChunkFigures | None
    #: Why it was set aside, after MOST_TRIES tries; empty if it is done.
    failure: str = ""


@dataclass(frozen=True)
class ChunkProgress:
    """How far a chunk is that is in work."""

    #: The key of its source, and its number there.
    source: str
    number: int
    #: Answered so far.
    frames: int


class Engine(Protocol):
    """Runs chunks on several workers, each with a model of its own."""

    def run(self, chunks: Iterable[Chunk]) -> Iterator[ChunkOutcome | ChunkProgress]:
        """Yield how each chunk ended, in any order; take chunks as workers come free.

        Between, it may tell how far chunks are. A worker that dies is replaced and its chunk tried
        again. Raises Sam3RosError where no worker can start at all, as where the model cannot be
        loaded; OSError where the folder cannot be written, as where the disk is full.
        """

    def close(self) -> None:
        """End all workers; closing twice is allowed."""
