"""How often something may be done: a burst at once, then so many a second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Allowance:
    """A bucket that fills with time; what is done takes one out of it."""

    def __init__(
        self, a_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._a_second, self._burst, self._clock = a_second, burst, clock
        self._left, self._then = float(burst), clock()

    def _fill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._then) * self._a_second)
        self._then = now

    def take(self) -> bool:
        """Return whether one is left, and take it."""
        self._fill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def owe(self) -> float:
        """Take one, if need be of what comes later; return for how many seconds to wait."""
        self._fill()
        self._left -= 1
        return max(0.0, -self._left / self._a_second)


class AllowanceOfEach:
    """An allowance for each of many, such as addresses; of too many the oldest is forgotten."""

    def __init__(self, make: Callable[[], Allowance], most: int = 1000) -> None:
        self._make, self._most = make, most
        self._of: OrderedDict[Hashable, Allowance] = OrderedDict()

    def take(self, whose: Hashable) -> bool:
        """Return whether one is left of theirs, and take it."""
        allowance = self._of.pop(whose, None) or self._make()
        self._of[whose] = allowance
        if len(self._of) > self._most:
            self._of.popitem(last=False)
        return allowance.take()
