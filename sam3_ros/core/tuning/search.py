"""From times to a plan: the fastest choices that together still answer as fp32 does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sam3_ros.core.precision.guard import Verdict
from sam3_ros.core.stages.plan import StagePlan
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
