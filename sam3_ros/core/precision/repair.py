"""What becomes of a model that the precision guard does not pass: refused, or put back to fp32."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.precision.guard import Verdict, judge
from sam3_ros.core.precision.questions import reference_answers
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE

OnFailure = Literal["refuse", "fp32"]
ON_FAILURE: tuple[OnFailure, ...] = ("refuse", "fp32")

_STAGES_TOLD = 3
_ALL_BACK = "nothing is left to judge: all stages run in fp32 on the CPU"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guarded:
    """verdict: on what runs now; None where everything was put back, which leaves the reference
    itself and nothing to judge. reverted: stages that run in fp32 on the CPU because of it, in the
    order in which that was found; complaint: what was wrong at first, None where nothing was."""

    verdict: Verdict | None
    reverted: tuple[str, ...] = ()
    complaint: str | None = None

    def __str__(self) -> str:
        if not self.reverted:
            return str(self.verdict)
        back = ", ".join(self.reverted)
        then = self.verdict or _ALL_BACK
        return f"{self.complaint}; put back to fp32 on the CPU: {back}; then {then}"


def guard(segmenter: Segmenter, on_failure: OnFailure = "refuse") -> Guarded | None:
    """Judge what runs a model before it is used; None where that is fp32 on the CPU, the reference.

    on_failure: `refuse` raises PrecisionError, naming the stages to blame; `fp32` runs those in
    fp32 on the CPU instead and judges again, until it passes or all do. Every verdict is logged.
    Raises PrecisionError too where there is nothing to judge by, or no fp32 file to put back.
    """
    stages = segmenter.bundle.manifest.stages_in_use
    if segmenter.plan.is_reference(stages):
        return None
    recorded = reference_answers(segmenter.bundle, segmenter.threads)
    reverted: list[str] = []
    complaint = None
    while not (verdict := _judged(segmenter, recorded)).passed:
        complaint = complaint or verdict.broken
        blamed = _to_blame(segmenter, verdict)
        if on_failure == "refuse":
            raise PrecisionError(_refusal(segmenter, verdict, blamed))
        log.warning("precision guard: back to fp32 on the CPU: %s", ", ".join(blamed))
        segmenter.change_plan(segmenter.plan.changed(blamed, REFERENCE))
        reverted += blamed
        if segmenter.plan.is_reference(stages):
            log.warning("precision guard: %s", _ALL_BACK)
            return Guarded(None, tuple(reverted), complaint)
    return Guarded(verdict, tuple(reverted), complaint)


def judge_precision(segmenter: Segmenter, recorded: RecordedAnswers | None = None) -> Verdict:
    """Hold what runs a model against its answers in fp32, by recorded or the few questions that
    reference_answers finds. Raises PrecisionError for a bundle that has nothing to judge by."""
    if recorded is None:
        recorded = reference_answers(segmenter.bundle, segmenter.threads)
    return judge(segmenter.graph, segmenter.bundle.manifest, segmenter.plan, recorded)


def _judged(segmenter: Segmenter, recorded: RecordedAnswers) -> Verdict:
    verdict = judge_precision(segmenter, recorded)
    level = logging.INFO if verdict.passed else logging.WARNING
    what = segmenter.plan.described(segmenter.bundle.manifest.stages_in_use)
    log.log(level, "precision guard: %s: %s", what, verdict)
    if not verdict.passed:
        for stage in sorted(verdict.stages, key=lambda each: -each.excess)[:_STAGES_TOLD]:
            log.warning("precision guard: %s", stage)
    return verdict


def _to_blame(segmenter: Segmenter, verdict: Verdict) -> tuple[str, ...]:
    """All that are not in fp32 on the CPU, where nobody can tell which of them it is."""
    stages = segmenter.bundle.manifest.stages_in_use
    others = tuple(stage for stage in stages if segmenter.plan.of(stage) != REFERENCE)
    return tuple(stage for stage in verdict.blamed if stage in others) or others


def _refusal(segmenter: Segmenter, verdict: Verdict, blamed: tuple[str, ...]) -> str:
    what = segmenter.plan.described(segmenter.bundle.manifest.stages_in_use)
    return (
        f"refused: {what} does not answer as fp32 on the CPU does: {verdict.broken}; to blame: "
        f"{', '.join(blamed)}. Choose another precision or backend, or let the guard put stages "
        f"back to fp32 (on_precision_failure: fp32)"
    )
