"""How often something comes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rate:
    """Of the messages in the window; periods in seconds."""

    hertz: float
    shortest: float
    longest: float
    deviation: float
    messages: int

    def __str__(self) -> str:
        return (
            f"{self.hertz:.3f} Hz over {self.messages} messages; between two: "
            f"{self.shortest * 1000:.1f} to {self.longest * 1000:.1f} ms, "
            f"standard deviation {self.deviation * 1000:.1f} ms"
        )


class RateWindow:
    """The last `size` times of arrival, s of a monotonic clock."""

    def __init__(self, size: int) -> None:
        """Raises ValueError below 2."""
        if size < 2:
            raise ValueError(f"a rate needs a window of 2 messages or more, got {size}")
        self._times: deque[float] = deque(maxlen=size)

    def add(self, now: float) -> None:
        self._times.append(now)

    def rate(self) -> Rate | None:
        """None before two messages."""
        if len(self._times) < 2:
            return None
        periods = np.diff(np.asarray(self._times))
        mean = float(periods.mean())
        return Rate(
            hertz=1 / mean if mean > 0 else float("inf"),
            shortest=float(periods.min()),
            longest=float(periods.max()),
            deviation=float(periods.std()),
            messages=len(self._times),
        )
