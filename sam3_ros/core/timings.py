"""How long the steps of a call took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timings:
    """Seconds by step; a step that runs several times adds up."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def clear(self) -> None:
        self._seconds.clear()

    def add(self, step: str, seconds: float) -> None:
        self._seconds[step] = self._seconds.get(step, 0.0) + seconds

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - start)

    def as_dict(self) -> dict[str, float]:
        return dict(self._seconds)
