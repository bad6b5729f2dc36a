"""The images of a camera that never arrived: missed by their DDS numbers, or by their stamps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sam3_ros.ros.frames.gaps import StampGaps
from sam3_ros.ros.number_gaps import NumberGaps

#: The time over which the recent loss is told, s.
RECENT_S = 10.0
# A single one is no finding, though it may be a large share of the first few.
_LEAST_TOLD = 3


@dataclass(frozen=True)
class LostImages:
    """How many images of a camera are missing."""

    #: Since the node was configured.
    count: int = 0
    #: As a share of those that were sent: lost and received.
    share: float = 0.0
    #: The same of the last RECENT_S seconds.
    recent: int = 0
    recent_sent: int = 0
    #: Whether the recent ones were sent, by DDS's numbers; or else their stamps alone are missing.
    were_sent: bool = True

    @property
    def recent_share(self) -> float:
        """recent of recent_sent, 0 to 1."""
        return self.recent / self.recent_sent if self.recent_sent else 0.0

    def are_many(self, threshold: float) -> bool:
        """Return whether the recent share is above the threshold, and more than chance."""
        return self.recent >= _LEAST_TOLD and self.recent_share > threshold

    def words(self) -> str:
        """Say how many of the last seconds are lost."""
        by = "DDS's numbers" if self.were_sent else "the gaps between their stamps"
        return (
            f"{self.recent} of the {self.recent_sent} images of the last {RECENT_S:g} s did not "
            f"arrive, by {by}"
        )


class ImageLosses:
    """Counts the lost images of one camera; for the thread that receives them."""

    def __init__(self, jump_s: Callable[[], float] = lambda: 1.0) -> None:
        """jump_s: returns clock_jump_s as it is now."""
        self._numbers, self._stamps = NumberGaps(), StampGaps(jump_s)
        self._by_number, self._by_stamp = _Tally(), _Tally()

    def note(self, stamp_ns: int, publisher: bytes, number: int, now: float) -> bool:
        """Note an image; return whether more are known to be lost than before.

        stamp_ns: of its header, ns. publisher, number: DDS's id of what has sent it and the number
        that this gave it; empty and 0 if they are not known. now: when it came, time.monotonic() s.
        """
        by_number = self._numbers.note(publisher, number) if publisher and number else 0
        by_stamp = self._stamps.note(stamp_ns) if stamp_ns else 0
        self._by_number.add(now, by_number)
        self._by_stamp.add(now, by_stamp)
        return by_number > 0 or by_stamp > 0

    def report(self, now: float) -> LostImages:
        """Return the counts; from any thread. now: time.monotonic() s."""
        by_number, by_stamp = self._by_number, self._by_stamp
        sent, unsent = by_number.recent(now), by_stamp.recent(now)
        recent, received = max(sent, unsent)
        lost = max(by_number.lost, by_stamp.lost)
        everything = lost + by_stamp.received
        share = lost / everything if everything else 0.0
        # An image that is lost late in the window has its number before its stamp is missed.
        return LostImages(lost, share, recent, recent + received, 2 * sent[0] >= unsent[0])


class _Tally:
    """How many images came, and how many were lost, in all and lately."""

    def __init__(self) -> None:
        self.received = self.lost = 0
        # When an image came, and how many were found lost then.
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, now: float, lost: int) -> None:
        """Count an image that came. lost: how many before it; negative if one is so no longer."""
        self.received += 1
        self.lost += lost
        self._recent.append((now, lost))
        while self._recent[0][0] < now - RECENT_S:
            self._recent.popleft()

    def recent(self, now: float) -> tuple[int, int]:
        """Return how many were lost, and how many came, in the last RECENT_S seconds."""
        lost = [lost for when, lost in tuple(self._recent) if when >= now - RECENT_S]
        return max(0, sum(lost)), len(lost)
