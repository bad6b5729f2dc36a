"""Measurements in processes of their own, which fail in several ways."""

from __future__ import annotations

import time

import pytest
from child_measurements import count, crash, fail, fail_otherwise, hang

from sam3_ros.bench.matrix import child
from sam3_ros.bench.matrix.child import Ended, in_child


def soon() -> float:
    return time.monotonic() + 60


def test_all_results_come_and_then_the_end() -> None:
    deadline = soon()

    assert list(in_child(count, (3,), deadline)) == [0, 1, 2, deadline, Ended()]


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (fail, "no GPU here"),
        (fail_otherwise, "ValueError: bad number"),
        (crash, "its process ended with code 7"),
    ],
)
def test_what_came_before_a_failure_is_kept(measure: child.Measure, reason: str) -> None:
    assert list(in_child(measure, (), soon())) == [1, Ended(reason)]


def test_one_that_is_late_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE", 0.0)
    began = time.monotonic()
    found = list(in_child(hang, (), began + 4.0))

    assert found[-1] == Ended("it took longer than its share of the time", is_late=True)
    assert time.monotonic() - began < 40  # not the 60 s that it would have slept
