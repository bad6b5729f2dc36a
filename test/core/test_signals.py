"""Which signals end a process; inside a block they do something else, afterwards as before."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from sam3_ros.core.signals import end_signals, signals_handled


@pytest.fixture(autouse=True)
def seen() -> Iterator[list[int]]:
    """Record each SIGUSR1 that arrives outside of any block."""
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    yield seen
    signal.signal(signal.SIGUSR1, before)


def test_the_handler_is_called_inside_the_block_alone(seen: list[int]) -> None:
    inside: list[int] = []
    with signals_handled(lambda number, _: inside.append(number), signal.SIGUSR1):
        signal.raise_signal(signal.SIGUSR1)
        assert (inside, seen) == ([signal.SIGUSR1], [])
    signal.raise_signal(signal.SIGUSR1)

    assert (inside, seen) == ([signal.SIGUSR1], [signal.SIGUSR1])


def test_a_handler_that_raises_leaves_the_block(seen: list[int]) -> None:
    def end(*_: object) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit), signals_handled(end, signal.SIGUSR1):
        signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)

    assert seen == [signal.SIGUSR1]


def test_python_may_be_left_out(seen: list[int]) -> None:
    with signals_handled(signal.SIG_IGN, signal.SIGUSR1):
        signal.raise_signal(signal.SIGUSR1)

    assert seen == []


def test_in_another_thread_nothing_changes() -> None:
    handlers: list[object] = []

    def work() -> None:
        with signals_handled(signal.SIG_IGN, signal.SIGUSR1):
            handlers.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert handlers == [signal.getsignal(signal.SIGUSR1)]


def test_a_closed_terminal_ends_it_unless_that_is_ignored() -> None:
    asked = {signal.SIGINT, signal.SIGTERM}
    with signals_handled(signal.SIG_DFL, signal.SIGHUP):
        assert {*end_signals()} == {*asked, signal.SIGHUP}
    with signals_handled(signal.SIG_IGN, signal.SIGHUP):
        assert {*end_signals()} == asked
