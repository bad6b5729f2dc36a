"""What a bundle saves beside another: time, measured in turns, and the size of its files."""

from __future__ import annotations

import time

from sam3_ros.bench.baselines.paired import CallSeconds, Ratios, time_call
from sam3_ros.bench.measurement import Budget
from sam3_ros.bench.scenarios import Scenario, Workload, scenarios
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan

Turn = tuple[CallSeconds, CallSeconds]


def times_in_turns(
    ours: Segmenter, theirs: Segmenter, workload: Workload, budget: Budget
) -> list[Ratios]:
    """Time both bundles in every scenario that both can answer, one call each in turns.

    So the load of other programs falls on both, and their ratio can be trusted. A scenario draws as
    many masks with one bundle as with the other, whatever their scores are. The calls before the
    first that counts are as `budget` says. Raises InferenceError when a stage fails.
    """
    others = {each.key: each for each in scenarios(theirs, workload)}
    pairs = [(each, others[each.key]) for each in scenarios(ours, workload) if each.key in others]
    return [_ratios(ours_of, theirs_of, budget) for ours_of, theirs_of in pairs]


def _ratios(ours: Scenario, theirs: Scenario, budget: Budget) -> Ratios:
    for _ in range(budget.least_warm_ups):
        _turn(ours, theirs)
    turns: list[Turn] = []
    start = time.perf_counter()
    while budget.allows(len(turns), time.perf_counter() - start):
        turns.append(_turn(ours, theirs))
    return Ratios.of(ours.key, ours.title, turns)


def _turn(ours: Scenario, theirs: Scenario) -> Turn:
    return time_call(ours.call), time_call(theirs.call)


def bytes_of_files(bundle: Bundle, plan: StagePlan) -> int:
    """Return the bytes of the model files that a plan reads, with the data beside them."""
    manifest = bundle.manifest
    files = [
        manifest.stages[stage].file_for(plan.of(stage)) for stage in manifest.stages_to_load(plan)
    ]
    return sum(
        file.bytes + sum(each.bytes for each in file.data) for file in files if file is not None
    )
