"""What the precision guard does about a failure: refuse, or revert stages to fp32."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.precision.guard import PrecisionVerdict, judge
from sam3_ros.core.precision.questions import reference_answers
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE

OnFailure = Literal["refuse", "fp32"]
ON_FAILURE: tuple[OnFailure, ...] = ("refuse", "fp32")

_STAGES_LOGGED = 3
_ALL_REVERTED = "nothing is left to judge: all stages run in fp32 on the CPU"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guarded:
    """The result of guarding a model."""

    #: On what runs now; None where all stages were reverted, which leaves nothing to judge.
    verdict: PrecisionVerdict | None
    #: Stages that run in fp32 on the CPU because of the guard, in the order they were reverted.
    reverted: tuple[str, ...] = ()
    #: Why the first verdict failed; None if it passed.
    complaint: str | None = None

    def __str__(self) -> str:
        if not self.reverted:
            return str(self.verdict)
        stages = ", ".join(self.reverted)
        then = self.verdict or _ALL_REVERTED
        return f"{self.complaint}; reverted to fp32 on the CPU: {stages}; then {then}"


def guard(segmenter: Segmenter, on_failure: OnFailure = "refuse") -> Guarded | None:
    """Judge a loaded model before it is used; None if it runs in fp32 on the CPU, the reference.

    on_failure: `refuse` raises PrecisionError with the blamed stages; `fp32` reverts them to fp32
    on the CPU and judges again, until the model passes or all stages are reverted. Every verdict is
    logged. Raises PrecisionError too where there is nothing to judge by, or no fp32 file of a stage
    to revert.
    """
    stages = segmenter.bundle.manifest.stages_to_judge
    if segmenter.plan.is_reference(stages):
        return None
    recorded = reference_answers(segmenter.bundle, segmenter.threads)
    reverted: list[str] = []
    complaint = None
    while not (verdict := _judged(segmenter, recorded)).passed:
        complaint = complaint or verdict.broken
        blamed = _blamed(segmenter, verdict)
        if on_failure == "refuse":
            raise PrecisionError(_refusal(segmenter, verdict, blamed))
        log.warning("precision guard: reverted to fp32 on the CPU: %s", ", ".join(blamed))
        segmenter.change_plan(segmenter.plan.changed(blamed, REFERENCE))
        reverted += blamed
        if segmenter.plan.is_reference(stages):
            log.warning("precision guard: %s", _ALL_REVERTED)
            return Guarded(None, tuple(reverted), complaint)
    return Guarded(verdict, tuple(reverted), complaint)


def judge_precision(
    segmenter: Segmenter, recorded: RecordedAnswers | None = None
) -> PrecisionVerdict:
    """Judge a loaded model by its answers in fp32.

    recorded: the questions and answers to judge by, None for those of reference_answers. Raises
    PrecisionError for a bundle that has nothing to judge by.
    """
    if recorded is None:
        recorded = reference_answers(segmenter.bundle, segmenter.threads)
    return judge(segmenter.graph, segmenter.bundle.manifest, segmenter.plan, recorded)


def _judged(segmenter: Segmenter, recorded: RecordedAnswers) -> PrecisionVerdict:
    verdict = judge_precision(segmenter, recorded)
    level = logging.INFO if verdict.passed else logging.WARNING
    what = segmenter.plan.described(segmenter.bundle.manifest.stages_to_judge)
    log.log(level, "precision guard: %s: %s", what, verdict)
    if not verdict.passed:
        for stage in sorted(verdict.stages, key=lambda each: -each.excess)[:_STAGES_LOGGED]:
            log.warning("precision guard: %s", stage)
    return verdict


def _blamed(segmenter: Segmenter, verdict: PrecisionVerdict) -> tuple[str, ...]:
    """Return the blamed stages; all that are not in fp32 on the CPU if none is singled out."""
    stages = segmenter.bundle.manifest.stages_to_load(segmenter.plan)
    others = tuple(stage for stage in stages if segmenter.plan.of(stage) != REFERENCE)
    return tuple(stage for stage in verdict.blamed if stage in others) or others


def _refusal(segmenter: Segmenter, verdict: PrecisionVerdict, blamed: tuple[str, ...]) -> str:
    what = segmenter.plan.described(segmenter.bundle.manifest.stages_to_judge)
    return (
        f"refused: {what} does not answer as fp32 on the CPU does: {verdict.broken}; "
        f"blamed stages: {', '.join(blamed)}. Choose another precision or backend, or let the "
        f"guard revert stages to fp32 (on_precision_failure: fp32)"
    )
