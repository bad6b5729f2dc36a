"""What a measurement of the node found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sam3_ros.replay.node_bench.latency_parts import OUTSIDE, SESSIONS, WAITING
from sam3_ros.replay.report.report import FrameAccount

AS_ANSWERED = "as fast as answered"
FIRST_CLICK, NEXT_CLICK = "first click on a frame", "next click on it"


@dataclass(frozen=True)
class Spread:
    """Milliseconds over the answers."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True)
class LatencyReport:
    """total: asked to mask in hand. parts: in their order; of one answer they add up to the total.

    overhead: all but the sessions. in_node: of that, what the node itself takes, its waiting for a
    turn not counted.
    """

    answers: int
    total: Spread
    overhead: Spread
    in_node: Spread
    parts: Mapping[str, Spread]


@dataclass(frozen=True)
class NodeUse:
    """Of the node's process during a case. cpu_percent: of one core."""

    cpu_percent: float
    cpu_ms_per_answer: float
    resident: int
    resident_peak: int


@dataclass(frozen=True)
class CaseReport:
    """One transport, image size and pace. latency: None without an answer.

    pace: AS_ANSWERED, a rate, or a click. frames: None for clicks. covered: the share of the last
    mask that shows an object, 0 without an answer.
    """

    transport: str
    width: int
    height: int
    message_bytes: int
    pace: str
    seconds: float
    frames: FrameAccount | None
    latency: LatencyReport | None
    use: NodeUse
    covered: float

    @property
    def per_second(self) -> float:
        return self.latency.answers / self.seconds if self.latency and self.seconds else 0.0


@dataclass(frozen=True)
class NodeBenchReport:
    """profile: the Fast DDS profile that both processes use."""

    parameters: Mapping[str, str]
    profile: str
    cases: tuple[CaseReport, ...]

    @property
    def complete(self) -> bool:
        """Every frame's fate is known."""
        return all(case.frames is None or case.frames.balances for case in self.cases)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        cases = [{**asdict(case), "per_second": case.per_second} for case in self.cases]
        return {
            "parameters": dict(self.parameters),
            "fastdds_profile": self.profile,
            "complete": self.complete,
            "cases": cases,
        }


def latency_report(answers: Sequence[Mapping[str, float]]) -> LatencyReport | None:
    """Of the parts of each answer, ms; None without any. A part that an answer lacks took 0."""
    if not answers:
        return None
    names = dict.fromkeys(name for parts in answers for name in parts)
    not_overhead = {SESSIONS}
    not_in_node = {SESSIONS, WAITING, *OUTSIDE}
    return LatencyReport(
        answers=len(answers),
        total=_spread(sum(parts.values()) for parts in answers),
        overhead=_spread(_sum_without(parts, not_overhead) for parts in answers),
        in_node=_spread(_sum_without(parts, not_in_node) for parts in answers),
        parts={name: _spread(parts.get(name, 0.0) for parts in answers) for name in names},
    )


def _sum_without(parts: Mapping[str, float], names: Iterable[str]) -> float:
    return sum(ms for name, ms in parts.items() if name not in set(names))


def _spread(values: Iterable[float]) -> Spread:
    found = np.array(list(values))
    median, p95 = np.percentile(found, (50, 95))
    return Spread(round(float(found.mean()), 4), round(float(median), 4), round(float(p95), 4))
