"""Models for workers of a cluster that label nothing, in a module that the workers can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.chunk import Chunk, FramePlace, LabelSource, SourceKind
from sam3_ros.label.engine import ChunkFigures
from sam3_ros.label.job import LabelJob

SOURCE = LabelSource(SourceKind.BAG, "/nowhere/drive", "drive", "fingerprint")


def chunk(number: int, frames: int = 30) -> Chunk:
    """Return a chunk of a bag that there is not."""
    places = tuple(FramePlace(number * frames + n, n * 33_000_000) for n in range(frames))
    return Chunk(SOURCE, "/camera/image", number, places)


@dataclass(frozen=True)
class WaitingModel:
    """Loads as a Labeller does; its figures have the process's number as `objects`."""

    #: A chunk takes so long.
    seconds: float = 0.0
    #: Numbers of chunks that kill their worker.
    deadly: frozenset[int] = frozenset()
    #: That kill it once: the file there says that they did.
    deadly_once: frozenset[int] = frozenset()
    #: That raise an error.
    wrong: frozenset[int] = frozenset()
    #: That find the disk full.
    unwritable: frozenset[int] = frozenset()
    #: Why no model can be loaded; empty if it can.
    refusal: str = ""
    #: For what is to be remembered when a worker dies.
    folder: str = ""

    def __call__(self, job: LabelJob) -> WaitingModel:
        del job
        if self.refusal:
            raise Sam3RosError(self.refusal)
        return self

    def label_chunk(self, each: Chunk) -> ChunkFigures:
        """Do what the fields say of its number."""
        self._remember(each.number)
        if each.number in self.deadly or (
            each.number in self.deadly_once and self.tries(each.number) == 1
        ):
            os.kill(os.getpid(), signal.SIGKILL)
        if each.number in self.wrong:
            raise Sam3RosError(f"chunk {each.number}\nis wrong")
        if each.number in self.unwritable:
            raise OSError(28, "No space left on device", "/labels/000001.json")
        time.sleep(self.seconds)
        return ChunkFigures(len(each.frames), 0, os.getpid(), self.seconds, 0)

    def tries(self, number: int) -> int:
        """Return how often a chunk was begun; only with a folder."""
        return len(list(Path(self.folder).glob(f"{number}-*")))

    def _remember(self, number: int) -> None:
        if self.folder:
            (Path(self.folder) / f"{number}-{time.monotonic_ns()}").touch()
