"""Images that are missing, counted by the gaps between the stamps of those that came.

A header has no number, so the camera's period is learnt from its stamps. A gap counts if the
camera is regular and goes on at its old pace afterwards: one that sends more slowly from now on, or
pauses, or takes its pictures when it is triggered, has lost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sam3_ros.ros.stamps import NANOSECONDS

# Differences of stamps that the period is learnt from: two seconds at 15 Hz.
_KNOWN = 31
_LEAST_KNOWN = 12
# No camera takes ten thousand images a second; stamps that are nearer count something else.
_LEAST_PERIOD_NS = 100_000
# How far a difference may be from a whole number of periods, in periods, and how many must be near.
_NEAR = 0.2
_LEAST_NEAR = 0.8
# A camera that was slower this many times in a row, by about the same, has another pace now.
_SLOWER_IN_A_ROW = 8
_SAME_PACE = 1.3
# A longer gap is a pause of the camera.
_LONGEST_GAP_S = 2.0
_LONGEST_GAP_PERIODS = 8


@dataclass
class _Gap:
    """The time between two images in which others are missing, stamps in ns."""

    begin: int
    end: int
    missing: int


class StampGaps:
    """Counts the lost images of one camera; for the thread that receives them."""

    def __init__(self, jump_s: Callable[[], float] = lambda: 1.0) -> None:
        """jump_s: returns clock_jump_s as it is now."""
        self._jump_s = jump_s
        self._latest_ns = 0
        self._differences: deque[int] = deque(maxlen=_KNOWN)
        self._waiting: list[_Gap] = []
        self._counted: deque[_Gap] = deque(maxlen=16)

    def note(self, stamp_ns: int) -> int:
        """Note an image; return how many are now known to be lost that were not before.

        stamp_ns: of its header, ns. Returns -1 where an image came late that had been counted.
        """
        before_ns = self._latest_ns
        difference = stamp_ns - before_ns
        if before_ns == 0 or -difference > self._jump_s() * NANOSECONDS:
            self._begin_at(stamp_ns)
            return 0
        if difference <= 0:
            return self._late(stamp_ns) if difference else 0
        self._latest_ns = stamp_ns
        period = self._period()
        longest = max(_LONGEST_GAP_S * NANOSECONDS, _LONGEST_GAP_PERIODS * (period or NANOSECONDS))
        if difference > longest:
            self._waiting.clear()
            return 0
        self._differences.append(difference)
        if period is None:
            return 0
        periods = difference / period
        if not _is_near_whole(periods):
            return 0
        if periods > 1 + _NEAR:
            return self._wait_with(_Gap(before_ns, stamp_ns, round(periods) - 1))
        return self._confirmed()

    def _begin_at(self, stamp_ns: int) -> None:
        self._latest_ns = stamp_ns
        self._waiting.clear()
        self._counted.clear()

    def _wait_with(self, gap: _Gap) -> int:
        """Keep the gap until the camera goes on at its pace, or has another one."""
        self._waiting.append(gap)
        slower = [each.end - each.begin for each in self._waiting[-_SLOWER_IN_A_ROW:]]
        if len(slower) == _SLOWER_IN_A_ROW and max(slower) <= _SAME_PACE * min(slower):
            self._differences = deque(slower, maxlen=_KNOWN)
            self._waiting.clear()
        return 0

    def _confirmed(self) -> int:
        confirmed, self._waiting = self._waiting, []
        self._counted.extend(confirmed)
        return sum(gap.missing for gap in confirmed)

    def _late(self, stamp_ns: int) -> int:
        """Take back what was counted for an image that comes after a later one."""
        for gap in (*self._waiting, *self._counted):
            if gap.begin < stamp_ns < gap.end and gap.missing:
                gap.missing -= 1
                return 0 if gap in self._waiting else -1
        return 0

    def _period(self) -> float | None:
        """Return the camera's period, ns; None while it is not known, or irregular."""
        if len(self._differences) < _LEAST_KNOWN:
            return None
        ordered = sorted(self._differences)
        # Where most images are lost, the median is of several periods; the least ones are of one.
        for period in (ordered[len(ordered) // 2], ordered[len(ordered) // 8]):
            if period >= _LEAST_PERIOD_NS and self._is_regular(period):
                return period
        return None

    def _is_regular(self, period: float) -> bool:
        near = sum(_is_near_whole(difference / period) for difference in self._differences)
        return near >= _LEAST_NEAR * len(self._differences)


def _is_near_whole(periods: float) -> bool:
    return round(periods) >= 1 and abs(periods - round(periods)) <= _NEAR
