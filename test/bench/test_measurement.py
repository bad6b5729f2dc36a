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


def test_on_a_device_a_slow_call_is_warmed_up_too() -> None:
    calls = []

    def call() -> Outcome:
        calls.append(1)
        return Outcome({}, 0)

    measure("slow", call, Budget(1, seconds=1e-9, least_warm_ups=3))
    assert len(calls) == 3 + 1


def test_times_on_the_device_and_between_the_steps_are_kept_apart() -> None:
    found = measure(
        "launches", lambda: Outcome({"stage": 0.0}, 1), Budget(3), lambda: {"stage": 0.02}
    )
    assert found.on_device == {"stage": StepTime(20.0, 20.0)}
    assert found.steps["stage"] == StepTime(0.0, 0.0)
    assert found.between == found.steps["end to end"]
