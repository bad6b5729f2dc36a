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
            self._next = now
            return True
        if now < self._next:
            return False
        self._next = max(self._next + 1 / rate, now)
        return True
