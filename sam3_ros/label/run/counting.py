"""Counts frames, objects and sources while they are labelled."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sam3_ros.label.engine import ChunkOutcome, ChunkProgress
from sam3_ros.label.inputs.planning import SourcePlan
from sam3_ros.label.run.report import LabelProgress
from sam3_ros.label.run.run_folder import ChunkState


class Counting:
    """The counts of a run, those of earlier runs into the folder among them."""

    def __init__(self) -> None:
        self._frames = self._frames_total = self._objects = 0
        #: Chunks that are missing, by the key of their source.
        self._missing: dict[str, int] = {}
        #: Frames of chunks that are in work, by the key of their source and their number.
        self._in_work: dict[tuple[str, int], int] = {}
        self._first: float | None = None
        self._last = 0.0
        #: Frames that this run labelled.
        self.frames_now = 0
        #: The highest resident memory of a worker, bytes.
        self.peak_bytes = 0

    def add(self, plan: SourcePlan, states: Iterable[ChunkState]) -> None:
        """Add a source with what of it is done."""
        missing = 0
        for state in states:
            self._frames_total += state.frames if state.head is None else state.head.frames
            if state.head is None:
                missing += 1
            else:
                self._frames += state.head.frames
                self._objects += state.head.objects
        self._missing[plan.source.key] = missing

    def take_progress(self, progress: ChunkProgress) -> None:
        """Take how far a chunk is."""
        self._in_work[progress.source, progress.number] = progress.frames

    def take(self, outcome: ChunkOutcome) -> None:
        """Take how a chunk ended."""
        self._last = time.monotonic()
        self._in_work.pop((outcome.source, outcome.number), None)
        self._missing[outcome.source] = max(0, self._missing.get(outcome.source, 0) - 1)
        figures = outcome.figures
        if figures is None:
            return
        self._frames += figures.frames
        self._objects += figures.objects
        self.frames_now += figures.frames
        self.peak_bytes = max(self.peak_bytes, figures.peak_bytes)
        if self._first is None:  # workers load their models before
            self._first = self._last - figures.seconds

    @property
    def seconds(self) -> float:
        """From the begin of the first chunk that was done to the end of the last."""
        return 0.0 if self._first is None else self._last - self._first

    def progress(self) -> LabelProgress:
        """Return how far it is."""
        frames = self._frames + sum(self._in_work.values())
        total = max(self._frames_total, frames)
        rate = self.frames_now / self.seconds if self.seconds > 0 else None
        return LabelProgress(
            frames=frames,
            frames_total=total,
            frames_per_second=rate,
            seconds_left=None if not rate else (total - frames) / rate,
            sources=sum(not missing for missing in self._missing.values()),
            sources_total=len(self._missing),
            objects=self._objects,
        )
