"""Searches for the fastest choices that together still answer as fp32 does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.guard import PrecisionVerdict, judge
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import OpenSession, SessionOptions
from sam3_ros.core.tuning.times import CandidateTime

#: A choice that saves less than this part of all stages' time is not worth another precision.
_LEAST_SHARE = 0.002

JudgePlan = Callable[[StagePlan], PrecisionVerdict]
#: Receives a line about what is being done.
Report = Callable[[str], None]


@dataclass(frozen=True)
class FoundPlan:
    """The chosen plan and why others were refused."""

    #: Fp32 on the CPU for every stage where nothing else is worth it.
    plan: StagePlan = field(default_factory=StagePlan)
    #: Of the plan; None where it is fp32 on the CPU.
    verdict: PrecisionVerdict | None = None
    #: Candidates that were fast enough but not accurate enough, with the judge's reason.
    refused: tuple[tuple[CandidateTime, str], ...] = ()


def find_plan(
    times: Iterable[CandidateTime], least_gain: float, judge: JudgePlan, report: Report
) -> FoundPlan:
    """Try the fastest choice of every stage at once, else one by one, most time saved first."""
    ranked = worth_trying(times, least_gain)
    if not ranked:
        return FoundPlan()
    fastest: dict[str, CandidateTime] = {}
    for candidate in ranked:
        fastest.setdefault(candidate.stage, candidate)
    plan = _with(StagePlan(), fastest.values())
    report(f"judging the fastest of {len(fastest)} stages together")
    verdict = judge(plan)
    if verdict.broken is None:
        return FoundPlan(plan, verdict)
    report(f"  no: {verdict.broken}")
    if len(ranked) == 1:
        return FoundPlan(refused=((ranked[0], verdict.broken),))
    return _one_by_one(ranked, judge, report)


def _one_by_one(ranked: Iterable[CandidateTime], judge: JudgePlan, report: Report) -> FoundPlan:
    found, settled = FoundPlan(), set[str]()
    for candidate in ranked:
        if candidate.stage in settled:
            continue
        report(f"judging {candidate.stage} on {candidate.choice}")
        plan = _with(found.plan, [candidate])
        verdict = judge(plan)
        if verdict.broken is None:
            found = replace(found, plan=plan, verdict=verdict)
            settled.add(candidate.stage)
        else:
            report(f"  no: {verdict.broken}")
            found = replace(found, refused=(*found.refused, (candidate, verdict.broken)))
    return found


def worth_trying(times: Iterable[CandidateTime], least_gain: float) -> list[CandidateTime]:
    """Return the candidates by time saved, without those that gain or save too little."""
    measured = [each for each in times if each.gain is not None]
    total = sum(each.milliseconds or 0.0 for each in measured if each.is_reference)
    worth = [
        each
        for each in measured
        if not each.is_reference
        and (each.gain or 0.0) >= least_gain
        and each.saved >= _LEAST_SHARE * total
    ]
    return sorted(worth, key=lambda each: -each.saved)


def _with(plan: StagePlan, candidates: Iterable[CandidateTime]) -> StagePlan:
    for each in candidates:
        plan = plan.changed([each.stage], each.choice)
    return plan


class PlanJudge:
    """Judges plans with one loaded model, whose stages are reloaded only where plans differ."""

    def __init__(
        self,
        bundle: Bundle,
        options: SessionOptions,
        open_session: OpenSession,
        judged: Sequence[RecordedAnswers],
    ) -> None:
        """judged: recorded answers to judge by, each image by itself, as a mean hides a bad one."""
        self._bundle = bundle
        self._options = options
        self._open_session = open_session
        self._judged = judged
        self._segmenter: Segmenter | None = None

    def __enter__(self) -> PlanJudge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._segmenter is not None:
            self._segmenter.close()

    def __call__(self, plan: StagePlan) -> PrecisionVerdict:
        """Return the first verdict that fails, else the one with the worst mask.

        Raises as Segmenter.load does.
        """
        segmenter = self._running(plan)
        verdicts: list[PrecisionVerdict] = []
        for recorded in self._judged:
            verdicts.append(judge(segmenter.graph, self._bundle.manifest, plan, recorded))
            if not verdicts[-1].passed:
                return verdicts[-1]
        return min(verdicts, key=lambda verdict: verdict.end_to_end.lenient_mask_iou)

    def _running(self, plan: StagePlan) -> Segmenter:
        if self._segmenter is None:
            self._segmenter = Segmenter.load(
                self._bundle,
                threads=self._options.threads,
                open_session=self._open_session,
                device_id=self._options.device_id,
                plan=plan,
            )
        else:
            self._segmenter.change_plan(plan)
        return self._segmenter
