"""Signals that do something else inside a block of code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


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
