"""How long the steps of a call took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager


class Timings:
    """Seconds by step; a step that runs several times adds up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def add(self, step: str, seconds: float) -> None:
        """Add the seconds of one run of a step."""
        self._seconds[step] = self._seconds.get(step, 0.0) + seconds

    def absorb(self, seconds: Mapping[str, float]) -> None:
        """Add the seconds of several steps."""
        for step, each in seconds.items():
            self.add(step, each)

    def measure(self, step: str) -> AbstractContextManager[None]:
        """Add the seconds that the block takes, also where it raises."""
        return _measured(self.add, step)

    def as_dict(self) -> dict[str, float]:
        """Return a copy: seconds by step."""
        return dict(self._seconds)


class CallTimings:
    """The timings of the call in progress, for each thread its own.

    What a thread measures outside of a call is not kept.
    """

    def __init__(self) -> None:
        self._of_thread = threading.local()

    @contextmanager
    def of_call(self) -> Iterator[Timings]:
        """Collect what this thread measures within the block."""
        timings = self._of_thread.timings = Timings()
        try:
            yield timings
        finally:
            self._of_thread.timings = None

    def add(self, step: str, seconds: float) -> None:
        """Add the seconds of one run of a step to the call in progress."""
        timings: Timings | None = getattr(self._of_thread, "timings", None)
        if timings is not None:
            timings.add(step, seconds)

    def measure(self, step: str) -> AbstractContextManager[None]:
        """Add the seconds that the block takes, also where it raises."""
        return _measured(self.add, step)


@contextmanager
def _measured(add: Callable[[str, float], None], step: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        add(step, time.perf_counter() - start)
