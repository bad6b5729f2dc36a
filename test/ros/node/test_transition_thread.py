"""The thread of the transitions: their order, its end, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sam3_ros.ros.node.transition_thread import TransitionThread


class Running:
    """A thread whose first transition runs until it is let go."""

    def __init__(self) -> None:
        self.broken, self.ran = threading.Event(), list[int]()
        self.thread = TransitionThread(self.broken.set)
        self._go, begun = threading.Event(), threading.Event()

        def wait() -> None:
            begun.set()
            self._go.wait()

        assert self.thread.put(wait)
        assert begun.wait(60)

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.let_go()
    assert running.thread.end(10)


def test_they_run_in_the_order_in_which_they_were_asked_for(running: Running) -> None:
    for number in range(5):
        assert running.thread.put(lambda number=number: running.ran.append(number))
    done = threading.Event()
    assert running.thread.put(done.set)
    assert not running.ran
    running.let_go()
    assert done.wait(60)
    assert running.ran == [0, 1, 2, 3, 4]


def test_too_many_are_refused_and_none_of_the_others_is_lost(running: Running) -> None:
    asked = 100
    taken = [n for n in range(asked) if running.thread.put(lambda n=n: running.ran.append(n))]
    assert 0 < len(taken) < asked
    running.let_go()
    done = threading.Event()
    while not running.thread.put(done.set):
        pass
    assert done.wait(60)
    assert running.ran == taken


@pytest.mark.parametrize("waiting", [0, 1, 100])
def test_its_end_waits_for_the_one_that_runs_and_for_no_other(
    running: Running, waiting: int
) -> None:
    for number in range(waiting):
        running.thread.put(lambda number=number: running.ran.append(number))
    assert not running.thread.end(0.05)
    running.let_go()
    assert running.thread.end(10)
    assert not running.ran


def test_one_that_raises_is_told_and_ends_it(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("no such thing")

    assert running.thread.put(fail)
    running.let_go()
    assert running.broken.wait(60)
    assert running.thread.end(10)
    assert "RuntimeError: no such thing" in capsys.readouterr().err
