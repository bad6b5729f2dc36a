"""Work that takes minutes is asked to stop now and then, and must clean up behind itself."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: What `kill`, a closed terminal and a service manager send; by itself it ends Python on the spot.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unwinding_when_terminated() -> Iterator[None]:
    """While open, SIGTERM and SIGHUP raise KeyboardInterrupt, so that `finally` and `with` run.

    A second one is ignored: the first is being obeyed. Outside the main thread Python has no say in
    signals, and nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(number).name)
