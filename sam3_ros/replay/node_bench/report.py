"""Results of a measurement of the node, and how the latency of an answer divides into parts."""

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
# The node's steps in their order; further steps that it reports come before `postprocess`.
_OWN_BEFORE, _OWN_AFTER = ("convert", "preprocess", "tokenize"), ("postprocess", "messages")
# Time outside of the node: the transport between the processes.
OUTSIDE = (SENDING, TO_NODE, MASK_OVER_DDS, MASK_READ)
AS_ANSWERED = "as fast as answered"
FIRST_CLICK, NEXT_CLICK = "first click on a frame", "next click on it"


@dataclass(frozen=True)
class AnswerMoments:
    """When an answer passed from process to process, in ns of the system's clock."""

    #: Right before the camera's image, or the click, was published.
    sent: int
    #: Right after it was published.
    published: int
    #: The node gave the mask to DDS.
    left: int
    #: The mask reached this process.
    reached: int
    #: The subscription's callback was called with the mask.
    in_hand: int
    #: What the node reports about the answer.
    timing: FrameTiming
    #: The node published `timing`.
    timing_left: int

    @property
    def total_ms(self) -> float:
        return (self.in_hand - self.sent) / 1e6


def latency_parts(moments: AnswerMoments, bundle_stages: Collection[str]) -> dict[str, float]:
    """Return milliseconds by part, in their order; their sum is the total.

    sending: the camera's call of publish, until the node has the image. to the node: DDS, and
    rclpy's reading in the node. publish: from the finished messages until DDS has the mask.
    between the steps: time of the node that belongs to no reported step. mask read: rclpy's
    reading here.
    """
    timing = moments.timing
    steps = {step.stage: step.milliseconds for step in timing.stages if not _is_object(step.stage)}
    sessions = sum(ms for step, ms in steps.items() if step in bundle_stages)
    own = {s: ms for s, ms in steps.items() if s not in bundle_stages and s != PUBLISH}
    # The node publishes the timing the moment its total is taken.
    came = moments.timing_left - timing.total_milliseconds * 1e6
    # The node may have the image before the camera's call of publish returns.
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


@dataclass(frozen=True)
class LatencySpread:
    """Milliseconds over the answers."""

    mean: float
    median: float
    p95: float
    worst: float


@dataclass(frozen=True)
class LatencyReport:
    """Latency of the answers of a case."""

    answers: int
    #: From publishing to the mask in hand.
    total: LatencySpread
    #: All but the sessions.
    overhead: LatencySpread
    #: The part of the overhead in the node, without waiting for its turn.
    in_node: LatencySpread
    #: In their order; for one answer they add up to the total.
    parts: Mapping[str, LatencySpread]


@dataclass(frozen=True)
class NodeUse:
    """What the node's process used during a case."""

    #: Of one core.
    cpu_percent: float
    cpu_ms_per_answer: float
    #: Bytes now.
    resident: int
    #: Bytes at most so far.
    resident_peak: int


@dataclass(frozen=True)
class CaseReport:
    """One transport, image size and pace."""

    transport: str
    width: int
    height: int
    message_bytes: int
    #: AS_ANSWERED, a rate, or a click.
    pace: str
    seconds: float
    #: None for clicks.
    frames: FrameAccount | None
    #: None without an answer.
    latency: LatencyReport | None
    use: NodeUse
    #: The share of the last mask that shows an object; 0 without an answer.
    covered: float
    #: Tracked objects that an image was searched for, median.
    tracked: float = 0.0

    @property
    def per_second(self) -> float:
        return self.latency.answers / self.seconds if self.latency and self.seconds else 0.0


@dataclass(frozen=True)
class NodeBenchReport:
    """All cases of a measurement."""

    #: Of the node.
    parameters: Mapping[str, str]
    #: The Fast DDS profile that both processes use.
    profile: str
    cases: tuple[CaseReport, ...]

    @property
    def complete(self) -> bool:
        """Whether every frame is accounted for."""
        return all(case.frames is None or case.frames.balances for case in self.cases)

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        cases = [{**asdict(case), "per_second": case.per_second} for case in self.cases]
        return {
            "parameters": dict(self.parameters),
            "fastdds_profile": self.profile,
            "complete": self.complete,
            "cases": cases,
        }


def tracked_objects(moments: Sequence[AnswerMoments]) -> float:
    """Return the median number of objects that an answer was searched for."""
    counts = [sum(_is_object(step.stage) for step in each.timing.stages) for each in moments]
    return float(np.median(counts)) if counts else 0.0


def _is_object(step: str) -> bool:
    """Return whether a step is the share of a tracked object, which is in other steps too."""
    return step.startswith("track/")


def latency_report(answers: Sequence[Mapping[str, float]]) -> LatencyReport | None:
    """Summarise the parts of each answer, ms; an absent part took 0. None without answers."""
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
    return LatencySpread(*(round(float(ms), 4) for ms in (found.mean(), median, p95, found.max())))
