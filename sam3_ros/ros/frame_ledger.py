"""The account of frames: each that was received ends as answered, or dropped with its reason."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

# At 30 Hz the last ten seconds.
LATENCIES_KEPT = 300


class DropReason(Enum):
    """Why a frame has no answer."""

    SUPERSEDED = "superseded"  # a newer frame came before its turn
    UNDECODABLE = "undecodable"  # no image could be read of it
    NOT_ACTIVE = "not active"  # the node is, or became, inactive
    NOBODY_LISTENS = "nobody listens"  # no topic of the answer has a subscriber
    RATE_LIMIT = "rate limit"  # it came sooner than max_rate allows
    INFERENCE_FAILED = "inference failed"  # the segmenter raised an error
    OUT_OF_MEMORY = "out of memory"  # there was not enough for this frame


class FrameDroppedError(Exception):
    """Ends the work on a frame; not an error of the program."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class FrameReport:
    """Counts since the node started; received = answered + all dropped + those in work or waiting.

    Latency, seconds from the subscription to the published answer, is of the last 300 answered
    frames; None before the first.
    """

    received: int
    answered: int
    dropped: Mapping[DropReason, int]
    latency_median: float | None
    latency_p95: float | None

    @property
    def in_work(self) -> int:
        return self.received - self.answered - sum(self.dropped.values())


class FrameLedger:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received = 0
        self._answered = 0
        self._dropped: Counter[DropReason] = Counter()
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def count_received(self) -> None:
        with self._lock:
            self._received += 1

    def count_answered(self, latency: float) -> None:
        with self._lock:
            self._answered += 1
            self._latencies.append(latency)

    def count_dropped(self, reason: DropReason) -> None:
        with self._lock:
            self._dropped[reason] += 1

    def report(self) -> FrameReport:
        return joint_report([self])

    def _counts(self) -> tuple[int, int, Counter[DropReason], list[float]]:
        with self._lock:
            return self._received, self._answered, Counter(self._dropped), list(self._latencies)


def joint_report(ledgers: Iterable[FrameLedger]) -> FrameReport:
    """One account of several cameras."""
    received, answered, dropped, latencies = 0, 0, Counter[DropReason](), list[float]()
    for ledger in ledgers:
        counts = ledger._counts()
        received, answered = received + counts[0], answered + counts[1]
        dropped.update(counts[2])
        latencies += counts[3]
    return FrameReport(
        received,
        answered,
        {reason: dropped[reason] for reason in DropReason},
        _percentile(latencies, 50),
        _percentile(latencies, 95),
    )


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
