"""How long a call takes, step by step, over as many repeats as a budget allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

END_TO_END = "end to end"
WARM_UPS = 3


@dataclass(frozen=True)
class Outcome:
    """What one call did: seconds by step, in the order they ran, and how many segments it drew."""

    steps: Mapping[str, float]
    segments: int


@dataclass(frozen=True)
class StepTime:
    """Milliseconds over the repeats."""

    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Budget:
    """At most `repeats`, and no new one after `seconds`, but at least `least` of them.

    Of the warm-up a call that takes longer than a tenth of the seconds is made only once.
    """

    repeats: int = 100
    seconds: float = 10.0
    least: int = 3

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.least < 1 or not self.seconds > 0:
            raise ValueError(f"a budget needs repeats and seconds above 0, got {self}")

    def allows(self, done: int, spent: float) -> bool:
        """One more, after so many in so many seconds?"""
        return done < self.repeats and (done < self.least or spent < self.seconds)


@dataclass(frozen=True)
class Measurement:
    """One scenario. steps: in the order they ran, END_TO_END last; segments: in the last answer."""

    scenario: str
    repeats: int
    steps: Mapping[str, StepTime]
    per_second: float
    segments: int
    totals_ms: Sequence[float] = field(default=(), repr=False)


def measure(scenario: str, call: Callable[[], Outcome], budget: Budget) -> Measurement:
    """Warm up, then repeat the call."""
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
    """Median and 95th percentile."""
    median, p95 = np.percentile(np.array(seconds) * 1000, (50, 95))
    return StepTime(round(float(median), 3), round(float(p95), 3))


def _warm_up(call: Callable[[], Outcome], budget: Budget) -> None:
    for _ in range(min(WARM_UPS, budget.repeats)):
        start = time.perf_counter()
        call()
        if time.perf_counter() - start > budget.seconds / 10:
            return
