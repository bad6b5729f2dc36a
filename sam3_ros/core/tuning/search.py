"""From times to a plan: the fastest choices that together still answer as fp32 does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.precision.guard import Verdict, judge
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import OpenSession, SessionOptions
from sam3_ros.core.tuning.times import CandidateTime

#: Less than this part of what all stages take together is not worth another precision.
_LEAST_SHARE = 0.002

JudgePlan = Callable[[StagePlan], Verdict]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class FoundPlan:
    """verdict: of the plan; None where nothing but fp32 on the CPU is worth it.

    refused: what was fast enough and not near enough, with the judge's words.
    """

    plan: StagePlan = field(default_factory=StagePlan)
    verdict: Verdict | None = None
    refused: tuple[tuple[CandidateTime, str], ...] = ()


def find_plan(
    times: Iterable[CandidateTime], least_gain: float, judge: JudgePlan, tell: Tell
) -> FoundPlan:
    """The fastest of every stage at once; where that fails, one by one, most saved first."""
    ranked = worth_trying(times, least_gain)
    if not ranked:
        return FoundPlan()
    fastest: dict[str, CandidateTime] = {}
    for candidate in ranked:
        fastest.setdefault(candidate.stage, candidate)
    plan = _with(StagePlan(), fastest.values())
    tell(f"judging the fastest of {len(fastest)} stages together")
    verdict = judge(plan)
    if verdict.broken is None:
        return FoundPlan(plan, verdict)
    tell(f"  no: {verdict.broken}")
    if len(ranked) == 1:
        return FoundPlan(refused=((ranked[0], verdict.broken),))
    return _one_by_one(ranked, judge, tell)


def _one_by_one(ranked: Iterable[CandidateTime], judge: JudgePlan, tell: Tell) -> FoundPlan:
    found, settled = FoundPlan(), set[str]()
    for candidate in ranked:
        if candidate.stage in settled:
            continue
        tell(f"judging {candidate.stage} on {candidate.choice}")
        plan = _with(found.plan, [candidate])
        verdict = judge(plan)
        if verdict.broken is None:
            found = replace(found, plan=plan, verdict=verdict)
            settled.add(candidate.stage)
        else:
            tell(f"  no: {verdict.broken}")
            found = replace(found, refused=(*found.refused, (candidate, verdict.broken)))
    return found


def worth_trying(times: Iterable[CandidateTime], least_gain: float) -> list[CandidateTime]:
    """Most saved first. Those that gain too little, or of too little, are left out."""
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
    """From one plan to the next only the stages that differ are loaded anew.

    judged: what to hold a plan against, image by image, each by itself: a mean over all would hide
    the one picture that suffers.
    """

    def __init__(
        self,
        bundle: Bundle,
        options: SessionOptions,
        open_session: OpenSession,
        judged: Sequence[RecordedAnswers],
    ) -> None:
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

    def __call__(self, plan: StagePlan) -> Verdict:
        """The first verdict that fails, or that of the worst masks. Raises as Segmenter.load."""
        segmenter = self._running(plan)
        verdicts: list[Verdict] = []
        for recorded in self._judged:
            verdicts.append(judge(segmenter.graph, self._bundle.manifest, plan, recorded))
            if not verdicts[-1].passed:
                return verdicts[-1]
        return min(verdicts, key=lambda verdict: verdict.end_to_end.mean_mask_iou)

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
