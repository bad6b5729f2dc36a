"""The account of frames: each one received is answered, or dropped for a reason."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain

import numpy as np

from sam3_ros.ros.frames.reasons import FailureReasons
from sam3_ros.ros.locks import NodeLock

# The last ten seconds at 30 Hz.
LATENCIES_KEPT = 300


class DropReason(Enum):
    """Why a frame has no answer."""

    SUPERSEDED = "superseded"  # a newer frame of its camera came before its turn
    UNDECODABLE = "undecodable"  # its message holds no image that can be read
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
    """Counts since the node started.

    received = answered + all dropped + those in work or waiting.
    """

    received: int
    answered: int
    dropped: Mapping[DropReason, int]
    #: Seconds from the subscription to the published answer, over the last 300 answered frames of
    #: each camera; None before the first.
    latency_median: float | None
    latency_p95: float | None
    #: Seconds from the image's stamp to the published answer, over those of the same frames whose
    #: stamp is of the node's clock; None if there are none.
    since_stamp_median: float | None
    since_stamp_p95: float | None
    #: Of those dropped because of an error: how many, by its text.
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def in_work(self) -> int:
        """Frames in work or waiting."""
        return self.received - self.answered - sum(self.dropped.values())


@dataclass(frozen=True)
class _Counts:
    """A copy of one ledger; see FrameReport."""

    received: int
    answered: int
    dropped: Counter[DropReason]
    latencies: list[float]
    since_stamps: list[float]
    failures: Mapping[str, int]


class FrameLedger:
    """Counts the frames of one camera; for any thread."""

    def __init__(self) -> None:
        self._lock = NodeLock.FRAME_LEDGER.make()
        self._received = 0
        self._answered = 0
        self._dropped: Counter[DropReason] = Counter()
        self._failures = FailureReasons()
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._since_stamps: deque[float | None] = deque(maxlen=LATENCIES_KEPT)

    def count_received(self) -> None:
        with self._lock:
            self._received += 1

    def count_answered(self, latency: float, since_stamp: float | None = None) -> None:
        """Count an answer. Both in seconds; since_stamp is None if it is not known."""
        with self._lock:
            self._answered += 1
            self._latencies.append(latency)
            self._since_stamps.append(since_stamp)

    def count_dropped(self, reason: DropReason, why: str = "") -> None:
        """Count a frame without an answer. why: the text of the error, if it was one."""
        with self._lock:
            self._dropped[reason] += 1
            if why:
                self._failures.add(why)

    def report(self) -> FrameReport:
        return joint_report([self])

    def _counts(self) -> _Counts:
        with self._lock:
            return _Counts(
                self._received,
                self._answered,
                Counter(self._dropped),
                list(self._latencies),
                [seconds for seconds in self._since_stamps if seconds is not None],
                self._failures.counts(),
            )


def joint_report(ledgers: Iterable[FrameLedger]) -> FrameReport:
    """Return one account of several cameras."""
    counts = [ledger._counts() for ledger in ledgers]
    dropped = sum((each.dropped for each in counts), Counter[DropReason]())
    failures: Counter[str] = Counter()
    for each in counts:
        failures.update(each.failures)
    latencies = list(chain.from_iterable(each.latencies for each in counts))
    since_stamps = list(chain.from_iterable(each.since_stamps for each in counts))
    return FrameReport(
        sum(each.received for each in counts),
        sum(each.answered for each in counts),
        {reason: dropped[reason] for reason in DropReason},
        _percentile(latencies, 50),
        _percentile(latencies, 95),
        _percentile(since_stamps, 50),
        _percentile(since_stamps, 95),
        failures,
    )


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
