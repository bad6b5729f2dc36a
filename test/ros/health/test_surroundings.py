"""A clock that does not go, by a steady clock of the test's own."""

from __future__ import annotations

import pytest

from sam3_ros.ros.health.surroundings import _ClockWatch


class Hand:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def watch(hand) -> _ClockWatch:
    return _ClockWatch(hand)


def test_the_systems_clock_is_never_wrong(hand, watch):
    hand.now += 1000
    assert watch.problem(None, lambda: 0) == ""
    assert watch.words == "system"


@pytest.mark.parametrize(
    ("publishers", "said"), [(0, "nobody publishes it"), (1, "though there is a publisher")]
)
def test_time_that_never_comes_is_told(hand, watch, publishers, said):
    assert watch.problem(0, lambda: publishers) == ""
    hand.now += 4.9
    assert watch.problem(0, lambda: publishers) == ""
    hand.now += 0.2
    assert said in watch.problem(0, lambda: publishers)
    assert "no time" in watch.words


def test_a_simulation_may_pause_run_fast_and_begin_again(hand, watch):
    for time_ns in (10**9, 90 * 10**9, 10**9):
        assert watch.problem(time_ns, lambda: 1) == ""
        hand.now += 1
    hand.now += 60
    assert watch.problem(10**9, lambda: 1) == ""
    assert watch.words == "/clock, stands still for 61 s"


def test_a_clock_whose_publisher_has_gone_is_told_until_it_is_back(hand, watch):
    watch.problem(10**9, lambda: 1)
    hand.now += 6
    assert "any more" in watch.problem(10**9, lambda: 0)
    assert watch.problem(2 * 10**9, lambda: 1) == ""
