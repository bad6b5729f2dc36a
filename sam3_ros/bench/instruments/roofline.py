"""How close a stage comes to what the machine could do at best.

The roofline model (Williams, Waterman, Patterson, 2009): arithmetic takes at least FLOP / peak, and
memory at least bytes / bandwidth. As bytes count what cannot be avoided, each once: weights, inputs
and outputs. What stays in a cache comes faster, so a small stage may be above 100 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam3_ros.bench.instruments.graph_work import can_count, count_work
from sam3_ros.bench.measurement import StepTime
from sam3_ros.bench.setup import StageRun


@dataclass(frozen=True)
class MachineLimits:
    """gflops: peak of matrix products; gb_s: memory bandwidth, in 1e9 bytes a second."""

    gflops: float
    gb_s: float


@dataclass(frozen=True)
class StageLoad:
    """What one step did in one call. flop: None where nothing could count it; unknown: operators
    that the count leaves out."""

    runs: int
    flop: int | None
    bytes_moved: int
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepCost:
    """A step as it is reported. limit_ms: the shortest time that the machine allows; limited_by:
    "arithmetic" or "memory"; None for steps that are no stages, or where FLOP were not counted."""

    median_ms: float
    p95_ms: float
    runs: int = 0
    gflop: float | None = None
    mbytes: float | None = None
    gflop_s: float | None = None
    limit_ms: float | None = None
    limit_percent: float | None = None
    limited_by: str | None = None
    unknown: tuple[str, ...] = ()


def stage_load(runs: Iterable[StageRun]) -> StageLoad:
    """Of one stage's runs in one call."""
    each = list(runs)
    moved = sum(run.bytes_moved for run in each)
    if not can_count():
        return StageLoad(len(each), None, moved)
    works = [count_work(run.path, run.inputs) for run in each]
    weights = sum(work.weight_bytes for work in works)
    unknown = tuple(dict.fromkeys(name for work in works for name in work.unknown))
    return StageLoad(len(each), sum(work.flop for work in works), moved + weights, unknown)


def step_cost(
    time: StepTime, load: StageLoad | None = None, limits: MachineLimits | None = None
) -> StepCost:
    """load and limits: None for a step that is no stage."""
    if load is None or load.flop is None or limits is None:
        return StepCost(time.median_ms, time.p95_ms, load.runs if load else 0)
    median_ms = max(time.median_ms, 1e-3)
    arithmetic_ms = load.flop / limits.gflops / 1e6
    memory_ms = load.bytes_moved / limits.gb_s / 1e6
    limit_ms = max(arithmetic_ms, memory_ms)
    return StepCost(
        time.median_ms,
        time.p95_ms,
        runs=load.runs,
        gflop=round(load.flop / 1e9, 4),
        mbytes=round(load.bytes_moved / 1e6, 3),
        gflop_s=round(load.flop / median_ms / 1e6, 2),
        limit_ms=round(limit_ms, 4),
        limit_percent=round(100 * limit_ms / median_ms, 1),
        limited_by="arithmetic" if arithmetic_ms >= memory_ms else "memory",
        unknown=load.unknown,
    )


def total_cost(time: StepTime, stages: Iterable[StepCost]) -> StepCost:
    """End to end: of stages that run one after the other."""
    costs = list(stages)
    if not costs or any(cost.limit_ms is None for cost in costs):
        return StepCost(time.median_ms, time.p95_ms, sum(cost.runs for cost in costs))
    gflop = sum(cost.gflop or 0.0 for cost in costs)
    limit_ms = sum(cost.limit_ms or 0.0 for cost in costs)
    return StepCost(
        time.median_ms,
        time.p95_ms,
        runs=sum(cost.runs for cost in costs),
        gflop=round(gflop, 4),
        mbytes=round(sum(cost.mbytes or 0.0 for cost in costs), 3),
        gflop_s=round(1000 * gflop / time.median_ms, 2),
        limit_ms=round(limit_ms, 4),
        limit_percent=round(100 * limit_ms / time.median_ms, 1),
    )
