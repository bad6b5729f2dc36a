"""What an hour of samples says: does anything grow, and is everything accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import numpy as np
from process_samples import ProcessSample

from sam3_ros.cli.table import left, right, table
from sam3_ros.replay.under_test.diagnostics import FrameCounts

#: MB a minute, after the first quarter.
MOST_SLOPE = 0.2


@dataclass(frozen=True)
class SoakSample:
    """One moment of a run."""

    #: Since the cameras began, s.
    seconds: float
    node: ProcessSample
    client: ProcessSample
    #: Of all cameras so far.
    sent: int
    received: int
    answered: int
    dropped: int
    #: Messages of all outputs so far.
    outputs: int
    #: What the node says that it keeps of frames and of texts, MiB.
    kept_frames: float
    kept_texts: float
    #: Likewise of tracked objects, and how many there have been.
    tracks: float = 0.0
    track_ids: float = 0.0

    def row(self) -> dict[str, float]:
        """Return it flat, for a line of CSV."""
        node = {f"node_{key}": value for key, value in asdict(self.node).items()}
        client = {f"client_{key}": value for key, value in asdict(self.client).items()}
        counts = ("sent", "received", "answered", "dropped", "outputs")
        kept = ("kept_frames", "kept_texts", "tracks", "track_ids")
        return {
            "seconds": round(self.seconds, 1),
            **{key: round(value, 3) for key, value in (node | client).items()},
            **{key: getattr(self, key) for key in (*counts, *kept)},
        }


@dataclass(frozen=True)
class CameraAccount:
    """What became of the images of one camera."""

    sent: int
    counts: FrameCounts
    #: Images that the node knows to be lost on the way.
    lost: int

    @property
    def unaccounted(self) -> int:
        """Images of which nobody says what became of them."""
        on_the_way = max(0, self.sent - self.counts.received - self.lost)
        return on_the_way + abs(self.counts.in_work)


@dataclass(frozen=True)
class SoakResult:
    """A whole run."""

    samples: Sequence[SoakSample]
    cameras: Mapping[str, CameraAccount]
    #: By output.
    outputs: Mapping[str, int]
    foreign_count: int
    #: The first of them.
    foreign: Sequence[str]
    #: Messages and calls by kind.
    asked: Mapping[str, int]
    statuses: Mapping[bool, int]
    #: What never had a status or a response.
    unanswered: Sequence[str]
    #: Why the node ended; empty if it did not.
    node_ended: str = ""
    #: Filled in from the rest.
    failures: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "failures", tuple(self._failures()))

    @property
    def settled(self) -> Sequence[SoakSample]:
        """The samples after the first quarter."""
        if not self.samples:
            return ()
        begin = self.samples[-1].seconds / 4
        return [sample for sample in self.samples if sample.seconds >= begin]

    def slope(self, process: str, value: str) -> float:
        """Return the growth of a figure of a process a minute, by least squares."""
        samples = self.settled
        if len(samples) < 3:
            return 0.0
        minutes = [sample.seconds / 60 for sample in samples]
        values = [getattr(getattr(sample, process), value) for sample in samples]
        return float(np.polyfit(minutes, values, 1)[0])

    def held(self, value: str) -> tuple[float, float]:
        """Return the median of a figure of the node in the second and in the last quarter."""
        samples = self.settled
        if not samples:
            return 0.0, 0.0
        end, third = samples[-1].seconds, samples[-1].seconds / 4
        early = [getattr(s.node, value) for s in samples if s.seconds <= 2 * third]
        late = [getattr(s.node, value) for s in samples if s.seconds >= end - third]
        return float(median(early or late)), float(median(late))

    def lines(self) -> list[str]:
        """Return tables for people."""
        return [*self._memory_lines(), "", *self._frame_lines(), "", *self._question_lines()]

    def document(self) -> dict[str, Any]:
        """Return the figures for programs."""
        growth = {
            process: {
                f"{value}_mb_per_minute": round(self.slope(process, value), 4)
                for value in ("rss", "pss", "anonymous")
            }
            for process in ("node", "client")
        }
        cameras = {
            name: {
                "sent": each.sent,
                "received": each.counts.received,
                "lost": each.lost,
                "answered": each.counts.answered,
                "dropped": {k: v for k, v in each.counts.dropped.items() if v},
                "unaccounted": each.unaccounted,
            }
            for name, each in self.cameras.items()
        }
        first, last = (self.samples[0], self.samples[-1]) if self.samples else (None, None)
        return {
            "minutes": round(last.seconds / 60, 2) if last else 0.0,
            "growth": growth,
            "first": first.row() if first else None,
            "last": last.row() if last else None,
            "threads": self.held("threads"),
            "files": self.held("files"),
            "cameras": cameras,
            "outputs": dict(self.outputs),
            "outputs_with_foreign_stamp": self.foreign_count,
            "asked": dict(self.asked),
            "statuses": {
                "accepted": self.statuses.get(True, 0),
                "refused": self.statuses.get(False, 0),
            },
            "unanswered": list(self.unanswered),
            "failures": list(self.failures),
        }

    def _failures(self) -> list[str]:
        found = [self.node_ended] if self.node_ended else []
        if len(self.settled) < 3:
            found.append("expected three samples after the first quarter or more: run it longer")
        slopes = {value: self.slope("node", value) for value in ("rss", "anonymous")}
        found += [
            f"{value} grows by {slope:.2f} MB a minute, less than {MOST_SLOPE} is allowed"
            for value, slope in slopes.items()
            if slope >= MOST_SLOPE
        ]
        for value in ("threads", "files"):
            early, late = self.held(value)
            if late > early:
                found.append(f"{value} grew from {early:g} to {late:g}")
        for name, each in self.cameras.items():
            if each.unaccounted:
                found.append(f"camera {name}: {each.unaccounted} images are not accounted for")
        if self.foreign_count:
            found.append(f"{self.foreign_count} outputs have a stamp of no input: {self.foreign}")
        if self.unanswered:
            found.append(f"{len(self.unanswered)} without an answer: {self.unanswered[:5]}")
        return found

    def _memory_lines(self) -> list[str]:
        rows = []
        for process in ("node", "client"):
            each = [getattr(sample, process) for sample in self.samples]
            for value in ("rss", "pss", "anonymous", "threads", "files"):
                figures = [getattr(sample, value) for sample in each]
                if not figures:
                    continue
                slope = self.slope(process, value)
                shown = [f"{n:.1f}" for n in (figures[0], max(figures), figures[-1])]
                rows.append((process, value, *shown, f"{slope:+.3f}"))
        columns = (left("process"), left("MB, or number"), right("first"), right("most"))
        return table((*columns, right("last"), right("a minute, after a quarter")), rows)

    def _frame_lines(self) -> list[str]:
        rows = []
        for name, each in self.cameras.items():
            dropped = ", ".join(f"{n} {why}" for why, n in each.counts.dropped.items() if n)
            counts = each.counts
            row = (name, each.sent, counts.received, each.lost, counts.answered, dropped or "none")
            rows.append((*row, each.unaccounted))
        columns = (left("camera"), right("sent"), right("received"), right("lost"))
        columns += (right("answered"), left("dropped"), right("unaccounted"))
        return table(columns, rows)

    def _question_lines(self) -> list[str]:
        asked = ", ".join(f"{n} {kind}" for kind, n in sorted(self.asked.items()))
        outputs = ", ".join(f"{n} {name}" for name, n in self.outputs.items())
        return [
            f"asked: {asked}",
            f"statuses: {self.statuses.get(True, 0)} accepted, {self.statuses.get(False, 0)} "
            f"refused or ended; without an answer: {len(self.unanswered)}",
            f"outputs: {outputs}; with a stamp of no input: {self.foreign_count}",
        ]
