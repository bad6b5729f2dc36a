"""Cleaning up when the process is asked to stop.

Work that takes minutes is interrupted now and then and must leave nothing behind. An exception is
not enough: while PyTorch works, a signal's exception often has to pass through C++ that does not
let it through, and Python ends on the spot without cleaning up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from sam3_ros.core.signals import signals_handled

#: Ctrl-C; what `kill` and service managers send; a closed terminal.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def cleanup_on_signals(tidy: Callable[[], None]) -> Iterator[None]:
    """Call `tidy` on SIGINT, SIGTERM and SIGHUP while open; then the signal takes its usual effect.

    A signal that is ignored stays ignored. Outside the main thread Python cannot handle signals,
    and nothing changes.
    """
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}

    def stop(number: int, frame: FrameType | None) -> None:
        tidy()
        for each, handler in before.items():
            signal.signal(each, handler)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)  # Python's own for SIGINT raises KeyboardInterrupt
        else:
            os.kill(os.getpid(), number)

    with signals_handled(stop, *before):
        yield
