"""Signals: those that ask a process to end, and what they do inside a block of code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


def end_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask this process to end: SIGINT, SIGTERM, and SIGHUP.

    SIGHUP comes when the terminal is closed; `nohup` has it ignored, and so it stays.
    """
    asked = (signal.SIGINT, signal.SIGTERM)
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return asked
    return (*asked, signal.SIGHUP)


@contextmanager
def signals_handled(handler: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """Let `handler` take these signals inside the block; afterwards they do what they did before.

    Python handles signals in the main thread only: in another thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, handler)
        yield
    finally:
        for number, previous in before.items():
            # None: it was set outside Python, which cannot set it again.
            signal.signal(number, signal.SIG_DFL if previous is None else previous)


@contextmanager
def ended_by_signals(write: Callable[[str], object]) -> Iterator[None]:
    """Take SIGINT, SIGTERM and a closed terminal for the end that the user wants, and say so."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with signals_handled(end, *end_signals()):
        try:
            yield
        except KeyboardInterrupt:
            write("ended")
