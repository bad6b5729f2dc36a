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

    There are WARM_UPS calls before, or one where a call takes longer than a tenth of `seconds`.
    """

    #: Most repeats.
    repeats: int = 100
    #: No repeat starts after so many seconds.
    seconds: float = 10.0
    #: Fewest repeats, even if they take longer.
    least: int = 3

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
    #: In the order they ran, END_TO_END last.
    steps: Mapping[str, StepTime]
    #: Calls a second.
    per_second: float
    #: In the last answer.
    segments: int
    #: Of each call, end to end.
    totals_ms: Sequence[float] = field(default=(), repr=False)


def measure(scenario: str, call: Callable[[], Outcome], budget: Budget) -> Measurement:
    """Warm up, then repeat the call as the budget allows."""
    _warm_up(call, budget)
    samples: dict[str, list[float]] = {}
    totals: list[float] = []
    segments = 0
    while budget.allows(len(totals), sum(totals)):
        start = time.perf_counter()
        outcome = call()
        totals.append(time.perf_counter() - start)
        segments = outcome.segments
        for step, seconds in outcome.steps.items():
            samples.setdefault(step, []).append(seconds)
    samples[END_TO_END] = totals
    steps = {step: step_time(seconds) for step, seconds in samples.items()}
    in_ms = tuple(round(seconds * 1000, 3) for seconds in totals)
    return Measurement(scenario, len(totals), steps, len(totals) / sum(totals), segments, in_ms)


def step_time(seconds: Sequence[float]) -> StepTime:
    """Return median and 95th percentile."""
    median, p95 = np.percentile(np.array(seconds) * 1000, (50, 95))
    return StepTime(round(float(median), 3), round(float(p95), 3))


def _warm_up(call: Callable[[], Outcome], budget: Budget) -> None:
    for _ in range(min(WARM_UPS, budget.repeats)):
        start = time.perf_counter()
        call()
        if time.perf_counter() - start > budget.seconds / 10:
            return
