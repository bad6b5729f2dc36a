"""What a measurement of the node found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sam3_ros.msg import FrameTiming
from sam3_ros.replay.report.report import FrameAccount

SENDING = "sending"
TO_NODE = "to the node"
WAITING = "waiting"
SESSIONS = "sessions"
PUBLISH = "publish"
BETWEEN = "between the steps"
MASK_OVER_DDS = "mask over DDS"
MASK_READ = "mask read"
# The node's own steps in their order; others of its own that it tells of come before `messages`.
_OWN_BEFORE, _OWN_AFTER = ("convert", "preprocess", "tokenize"), ("postprocess", "messages")
# Neither time in the node nor a stage's: what the network between the processes takes.
OUTSIDE = (SENDING, TO_NODE, MASK_OVER_DDS, MASK_READ)


@dataclass(frozen=True)
class AnswerMoments:
    """All in ns of the system's clock, which both processes read.

    sent: right before the camera's image, or the click, was published; published: right after.
    left: the mask was handed to DDS in the node. reached: it was here. in_hand: the subscription's
    callback was called with it. timing: what the node told of the answer; timing_left: when.
    """

    sent: int
    published: int
    left: int
    reached: int
    in_hand: int
    timing: FrameTiming
    timing_left: int

    @property
    def total_ms(self) -> float:
        return (self.in_hand - self.sent) / 1e6


def latency_parts(moments: AnswerMoments, bundle_stages: Collection[str]) -> dict[str, float]:
    """Milliseconds by part, in their order; their sum is the total.

    sending: the camera's call of publish, unless the node has the image before it ends. to the
    node: DDS, and rclpy's reading in the node. publish: from the messages made to the mask with
    DDS. between the steps: what the node spends and tells no step of. mask read: rclpy's here.
    """
    timing = moments.timing
    steps = {step.stage: step.milliseconds for step in timing.stages}
    sessions = sum(ms for step, ms in steps.items() if step in bundle_stages)
    own = {s: ms for s, ms in steps.items() if s not in bundle_stages and s != PUBLISH}
    # The timing leaves the node the moment its total is taken.
    came = moments.timing_left - timing.total_milliseconds * 1e6
    # The node may have it before the camera's call of publish has come back.
    gone = min(moments.published, came)
    between = timing.total_milliseconds - timing.waited_milliseconds - sum(steps.values())
    before_publish = timing.waited_milliseconds + sessions + sum(own.values()) + between
    others = [s for s in own if s not in (*_OWN_BEFORE, *_OWN_AFTER)]
    return {
        SENDING: (gone - moments.sent) / 1e6,
        TO_NODE: (came - gone) / 1e6,
        WAITING: timing.waited_milliseconds,
        **{step: own[step] for step in _OWN_BEFORE if step in own},
        SESSIONS: sessions,
        **{step: own[step] for step in (*others, *_OWN_AFTER) if step in own},
        BETWEEN: between,
        PUBLISH: (moments.left - came) / 1e6 - before_publish,
        MASK_OVER_DDS: (moments.reached - moments.left) / 1e6,
        MASK_READ: (moments.in_hand - moments.reached) / 1e6,
    }


AS_ANSWERED = "as fast as answered"
FIRST_CLICK, NEXT_CLICK = "first click on a frame", "next click on it"


@dataclass(frozen=True)
class LatencySpread:
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
    total: LatencySpread
    overhead: LatencySpread
    in_node: LatencySpread
    parts: Mapping[str, LatencySpread]


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


def _spread(values: Iterable[float]) -> LatencySpread:
    found = np.array(list(values))
    median, p95 = np.percentile(found, (50, 95))
    return LatencySpread(
        round(float(found.mean()), 4), round(float(median), 4), round(float(p95), 4)
    )
