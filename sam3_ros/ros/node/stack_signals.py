"""Signals that show what the process does, where by default they would end it without a word.

| signal                                    | what comes                                          |
| ----------------------------------------- | --------------------------------------------------- |
| SIGUSR1, SIGUSR2                          | each thread's stack on stderr; the process goes on  |
| SIGQUIT                                   | the same, then the process ends by it               |
| SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL  | the same: a library has failed                      |
"""

from __future__ import annotations

import faulthandler
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def show_stacks_on_signals() -> None:
    """Register them; without a stderr the two that would end the process are ignored instead."""
    try:
        faulthandler.enable()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            faulthandler.register(number)
        faulthandler.register(signal.SIGQUIT, chain=True)
    except (RuntimeError, AttributeError, OSError, ValueError):  # stderr is closed, or no file
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def ended_if_stuck(seconds: float) -> Iterator[None]:
    """End the process with code 1, and the stack of each thread, if the block takes longer.

    For work outside Python, in which no signal is handled.
    """
    with suppress(RuntimeError, AttributeError, OSError, ValueError):  # no stderr, or no thread
        faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
