"""At most so many frames of a camera in a second."""

from __future__ import annotations

from collections.abc import Callable


class RateLimit:
    """rate: frames in a second as it is now, 0 for no limit."""

    def __init__(self, rate: Callable[[], float]) -> None:
        self._rate = rate
        self._next = float("-inf")

    def admits(self, now: float) -> bool:
        """Whether a frame that came then, time.monotonic() s, may be answered.

        On a schedule rather than by the time since the last: of a camera of 30 Hz a limit of 20
        lets two of three frames through, not every second one.
        """
        rate = self._rate()
        if rate <= 0:
            return True
        if now < self._next:
            return False
        in_time = now < self._next + 1 / rate
        self._next = (self._next if in_time else now) + 1 / rate
        return True
