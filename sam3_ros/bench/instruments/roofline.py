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

    #: Median over the repeats, ms, by the host's clock.
    median_ms: float
    #: 95th percentile over the repeats, ms, by the host's clock.
    p95_ms: float
    #: Median over the repeats, ms, on the device; None for what was not timed there. Where it is
    #: known, `median_ms` is the time of the launch, and speed and limit are those of the device.
    device_ms: float | None = None
    #: How often it ran in one call.
    runs: int = 0
    #: 1e9 FLOP of one call, 2 for a multiply-add.
    gflop: float | None = None
    #: 1e6 bytes of weights, inputs and outputs in one call.
    mbytes: float | None = None
    #: GFLOP a second by device_ms or, where that is None, by median_ms.
    gflop_s: float | None = None
    #: The shortest time that the machine allows.
    limit_ms: float | None = None
    #: limit_ms as a percentage of device_ms or, where that is None, of median_ms.
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
    time: StepTime,
    load: StageLoad | None = None,
    limits: MachineLimits | None = None,
    on_device: StepTime | None = None,
) -> StepCost:
    """Compare a step's time with the limits; load and limits are None for a step without them."""
    device_ms = None if on_device is None else on_device.median_ms
    if load is None or load.flop is None or limits is None:
        return StepCost(time.median_ms, time.p95_ms, device_ms, load.runs if load else 0)
    spent_ms = max(time.median_ms if device_ms is None else device_ms, 1e-3)
    arithmetic_ms = load.flop / limits.gflops / 1e6
    memory_ms = load.bytes_moved / limits.gb_s / 1e6
    limit_ms = max(arithmetic_ms, memory_ms)
    return StepCost(
        time.median_ms,
        time.p95_ms,
        device_ms,
        runs=load.runs,
        gflop=round(load.flop / 1e9, 4),
        mbytes=round(load.bytes_moved / 1e6, 3),
        gflop_s=round(load.flop / spent_ms / 1e6, 2),
        limit_ms=round(limit_ms, 4),
        limit_percent=round(100 * limit_ms / spent_ms, 1),
        limited_by="arithmetic" if arithmetic_ms >= memory_ms else "memory",
        unknown=load.unknown,
    )


def total_cost(time: StepTime, stages: Iterable[StepCost]) -> StepCost:
    """Compare the whole call's time, by the host's clock, with the sum of its stages' limits.

    Its time on the device is the sum of the stages' there; None where none was timed there.
    """
    costs = list(stages)
    found = [cost.device_ms for cost in costs if cost.device_ms is not None]
    device_ms = round(sum(found), 3) if found else None
    runs = sum(cost.runs for cost in costs)
    if not costs or any(cost.limit_ms is None for cost in costs):
        return StepCost(time.median_ms, time.p95_ms, device_ms, runs)
    gflop = sum(cost.gflop or 0.0 for cost in costs)
    limit_ms = sum(cost.limit_ms or 0.0 for cost in costs)
    return StepCost(
        time.median_ms,
        time.p95_ms,
        device_ms,
        runs=runs,
        gflop=round(gflop, 4),
        mbytes=round(sum(cost.mbytes or 0.0 for cost in costs), 3),
        gflop_s=round(1000 * gflop / time.median_ms, 2),
        limit_ms=round(limit_ms, 4),
        limit_percent=round(100 * limit_ms / time.median_ms, 1),
    )
