"""Times a call step by step, for as many repeats as a budget allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

END_TO_END = "end to end"
WARM_UPS = 3


@dataclass(frozen=True)
class Outcome:
    """What one call did."""

    #: Seconds by step, in the order they ran.
    steps: Mapping[str, float]
    #: Number of segments in the answers.
    segments: int


@dataclass(frozen=True)
class StepTime:
    """The time of a step over the repeats."""

    #: Median, ms.
    median_ms: float
    #: 95th percentile, ms.
    p95_ms: float


@dataclass(frozen=True)
class Budget:
    """When to stop repeating.

    There are WARM_UPS calls before. Once one takes longer than a tenth of `seconds`, no more than
    `least_warm_ups` are made.
    """

    #: Most repeats.
    repeats: int = 100
    #: No repeat starts after so many seconds.
    seconds: float = 10.0
    #: Fewest repeats, even if they take longer.
    least: int = 3
    #: Fewest calls before; on a GPU the first may choose algorithms and the second record a graph.
    least_warm_ups: int = 1

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.least < 1 or not self.seconds > 0:
            raise ValueError(f"a budget needs repeats, seconds and least above 0, got {self}")

    def allows(self, done: int, elapsed: float) -> bool:
        """Return whether to repeat once more after `done` repeats in `elapsed` seconds."""
        return done < self.repeats and (done < self.least or elapsed < self.seconds)


@dataclass(frozen=True)
class Measurement:
    """The times of one scenario."""

    #: Its title.
    scenario: str
    #: How many calls were timed.
    repeats: int
    #: In the order they ran, END_TO_END last. Of a stage on a GPU it is the time until the host
    #: could go on, which may be before the GPU is done.
    steps: Mapping[str, StepTime]
    #: Calls a second.
    per_second: float
    #: In the last answer.
    segments: int
    #: Of each call, end to end.
    totals_ms: Sequence[float] = field(default=(), repr=False)
    #: Time on the device by stage, in the order they ran; only of stages that were timed there.
    on_device: Mapping[str, StepTime] = field(default_factory=dict)
    #: Time of the host outside of all steps, where it also waits for the device.
    between: StepTime | None = None


def _nothing_on_device() -> Mapping[str, float]:
    return {}


def measure(
    scenario: str,
    call: Callable[[], Outcome],
    budget: Budget,
    device_seconds: Callable[[], Mapping[str, float]] = _nothing_on_device,
) -> Measurement:
    """Warm up, then repeat the call as the budget allows.

    device_seconds: returns by stage the seconds that the last call took on a device; called after
    each repeat, outside of its time.
    """
    _warm_up(call, budget)
    samples: dict[str, list[float]] = {}
    of_device: dict[str, list[float]] = {}
    totals: list[float] = []
    between: list[float] = []
    segments = 0
    while budget.allows(len(totals), sum(totals)):
        start = time.perf_counter()
        outcome = call()
        totals.append(time.perf_counter() - start)
        segments = outcome.segments
        between.append(totals[-1] - sum(outcome.steps.values()))
        for found, by_step in ((samples, outcome.steps), (of_device, device_seconds())):
            for step, seconds in by_step.items():
                found.setdefault(step, []).append(seconds)
    samples[END_TO_END] = totals
    return Measurement(
        scenario,
        len(totals),
        {step: step_time(seconds) for step, seconds in samples.items()},
        len(totals) / sum(totals),
        segments,
        tuple(round(seconds * 1000, 3) for seconds in totals),
        {stage: step_time(seconds) for stage, seconds in of_device.items()},
        step_time(between),
    )


def step_time(seconds: Sequence[float]) -> StepTime:
    """Return median and 95th percentile."""
    median, p95 = np.percentile(np.array(seconds) * 1000, (50, 95))
    return StepTime(round(float(median), 3), round(float(p95), 3))


def _warm_up(call: Callable[[], Outcome], budget: Budget) -> None:
    slow = False
    for number in range(max(min(WARM_UPS, budget.repeats), budget.least_warm_ups)):
        if slow and number >= budget.least_warm_ups:
            return
        start = time.perf_counter()
        call()
        slow = slow or time.perf_counter() - start > budget.seconds / 10
