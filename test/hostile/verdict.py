"""What became of the inputs, as a table and as figures for programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hostile.inputs import Channel
from sam3_ros.cli.table import left, right, table

#: How an input may end. The last counts those that nobody has to answer.
OUTCOMES = ("answered", "refused", "dropped", "lost", "ignored")
#: MB above idle that the node may take.
MOST_MB = 300.0
#: What the node may keep of frames that it has seen, MiB.
FRAME_MEMORY_MB = 64


@dataclass(frozen=True)
class Failure:
    """One input, or one batch, that did what no input may do."""

    #: The first and the last number; the same for one input.
    first: int
    last: int
    #: crash, hang, silent, unclear, memory, wrong.
    kind: str
    what: str


@dataclass
class Verdict:
    """Counts as they come."""

    #: By channel and outcome.
    outcomes: Counter[tuple[Channel, str]] = field(default_factory=Counter)
    #: By channel, the longest that one input took, s.
    longest: dict[Channel, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    #: Inputs that took too long once, and not when they were tried again alone.
    slow_once: int = 0
    good_answers: int = 0
    restarts: int = 0
    #: Of the node, MB.
    idle_mb: float = 0.0
    peak_mb: float = 0.0
    #: Of the process that reads files and bundles, the most that one took, MB.
    reader_mb: float = 0.0
    longest_silence: float = 0.0

    def note(self, channel: Channel, outcome: str, seconds: float) -> None:
        """Count an input that ended as it may."""
        self.outcomes[channel, outcome] += 1
        self.longest[channel] = max(self.longest.get(channel, 0.0), seconds)

    def fail(self, channel: Channel | None, first: int, last: int, kind: str, what: str) -> None:
        """Count an input, or a batch, that failed."""
        self.failures.append(Failure(first, last, kind, " ".join(what.split())))
        if channel is not None:
            self.outcomes[channel, "failed"] += 1

    def lines(self) -> list[str]:
        """Return the table for people."""
        rows = []
        for channel in Channel:
            counts = [self.outcomes[channel, outcome] for outcome in (*OUTCOMES, "failed")]
            if sum(counts):
                longest = f"{self.longest.get(channel, 0.0):.2f}"
                rows.append((channel.value, sum(counts), *counts, longest))
        headings = ("inputs", *OUTCOMES, "failed", "longest, s")
        columns = (left("what"), *(right(heading) for heading in headings))
        kinds = Counter(failure.kind for failure in self.failures)
        above = max(0.0, self.peak_mb - self.idle_mb)
        return [
            *table(columns, rows),
            "",
            f"crashes {kinds['crash']}, hangs {kinds['hang']}, silent losses {kinds['silent']}, "
            f"without a clear reason {kinds['unclear']}, wrong answers {kinds['wrong']}, too much "
            f"memory {kinds['memory']}; slow once, not when tried again: {self.slow_once}",
            f"good frames between them: {self.good_answers} answered rightly; the node was "
            f"restarted {self.restarts} times",
            f"node: parameters as they come, but frame_memory_mb {FRAME_MEMORY_MB}: what is kept "
            "on purpose is no fault; whole pictures of nearly max_megapixels only as files",
            f"node: idle {self.idle_mb:.0f} MB, at most {above:.0f} MB above it; reading a file or "
            f"bundle: at most {self.reader_mb:.0f} MB; longest time between two reports on "
            f"/diagnostics: {self.longest_silence:.2f} s",
        ]

    def document(self) -> dict[str, Any]:
        """Return the figures for programs."""
        return {
            "inputs": sum(self.outcomes.values()),
            "outcomes": {
                channel.value: {
                    outcome: self.outcomes[channel, outcome]
                    for outcome in (*OUTCOMES, "failed")
                    if self.outcomes[channel, outcome]
                }
                for channel in Channel
            },
            "longest_s": {channel.value: round(s, 3) for channel, s in self.longest.items()},
            "failures": [vars(failure) for failure in self.failures],
            "slow_once": self.slow_once,
            "good_answers": self.good_answers,
            "restarts": self.restarts,
            "idle_mb": round(self.idle_mb, 1),
            "above_idle_mb": round(self.peak_mb - self.idle_mb, 1),
            "reader_mb": round(self.reader_mb, 1),
            "longest_silence_s": round(self.longest_silence, 2),
        }
