"""When repeats end, and what they measure."""

from __future__ import annotations

import pytest

from sam3_ros.bench.measurement import Budget, Outcome, StepTime, measure


def test_a_budget_ends_by_repeats_or_by_time_but_not_below_its_least() -> None:
    budget = Budget(repeats=5, seconds=1.0, least=3)
    assert [budget.allows(done, spent) for done, spent in ((0, 9), (2, 9), (3, 9), (3, 0.9))] == [
        True,
        True,
        False,
        True,
    ]
    assert not budget.allows(5, 0.0)
    with pytest.raises(ValueError, match="above 0"):
        Budget(repeats=0)


def test_a_slow_call_is_warmed_up_once_a_fast_one_thrice() -> None:
    calls = []

    def call() -> Outcome:
        calls.append(1)
        return Outcome({"step": 0.25}, 2)

    found = measure("fast", call, Budget(4, seconds=1000.0))
    assert (len(calls), found.repeats, found.segments) == (3 + 4, 4, 2)
    assert found.steps["step"] == StepTime(250.0, 250.0)
    calls.clear()
    assert measure("slow", call, Budget(4, seconds=1e-9)).repeats == 3
    assert len(calls) == 1 + 3
