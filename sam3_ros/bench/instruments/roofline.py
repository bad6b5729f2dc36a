"""Compares a stage's time with the shortest that the machine allows.

The roofline model (Williams, Waterman, Patterson, 2009): arithmetic takes at least FLOP / peak, and
memory at least bytes / bandwidth. The bytes are weights, inputs and outputs, each counted once.
Data in a cache arrives faster, so a small stage may exceed 100 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam3_ros.bench.instruments.graph_work import can_count, count_work
from sam3_ros.bench.measurement import StepTime
from sam3_ros.bench.setup import StageRun


@dataclass(frozen=True)
class MachineLimits:
    """What the machine can do at most."""

    #: Peak of matrix products, GFLOP a second.
    gflops: float
    #: Memory bandwidth, 1e9 bytes a second.
    gb_s: float


@dataclass(frozen=True)
class StageLoad:
    """What a stage did in one call."""

    #: How often it ran.
    runs: int
    #: None where the library onnx is missing.
    flop: int | None
    #: Weights, inputs and outputs.
    bytes_moved: int
    #: Operators that could not be counted.
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepCost:
    """A step as it is reported.

    Figures are None for steps that are not stages, and where FLOP or limits are not known.
    """

    #: Median over the repeats, ms.
    median_ms: float
    #: 95th percentile over the repeats, ms.
    p95_ms: float
    #: How often it ran in one call.
    runs: int = 0
    #: 1e9 FLOP of one call, 2 for a multiply-add.
    gflop: float | None = None
    #: 1e6 bytes of weights, inputs and outputs in one call.
    mbytes: float | None = None
    #: GFLOP a second by the median time.
    gflop_s: float | None = None
    #: The shortest time that the machine allows.
    limit_ms: float | None = None
    #: limit_ms as a percentage of median_ms.
    limit_percent: float | None = None
    #: "arithmetic" or "memory".
    limited_by: str | None = None
    #: Operators that the count leaves out.
    unknown: tuple[str, ...] = ()


def stage_load(runs: Iterable[StageRun]) -> StageLoad:
    """Sum up one stage's runs in one call."""
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
    """Compare a step's time with the limits; load and limits are None for a step without them."""
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
    """Compare the whole call's time with the sum of its stages' limits."""
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
