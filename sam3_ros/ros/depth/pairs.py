"""Which depth image belongs to which image of a camera: the one whose stamp is nearest.

Depth may come before or after its image, and the image may wait long for its turn. So the nearest
depth of each image that is still to be answered is kept, and the last few besides.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sam3_ros.ros.depth.ledger import DepthRefusal, DepthRefusedError
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.stamps import NANOSECONDS, nanoseconds

DepthMessage: TypeAlias = Image | CompressedImage

# Of the last depth images, which belong to images that are still on their way.
_RECENT = 8
# Images that have come and were not taken up yet; only the newest are answered.
_NEWEST = 3
# Images that are answered, or whose answers wait for their depth; more than there can be at a time.
_MOST_TAKEN = 12
# Of depth images, to know at which distance they come.
_ENOUGH_FOR_A_PACE = 4
# Without a depth image for so long there is none.
_SILENT_S = 2.0


@dataclass(frozen=True, eq=False)
class DepthPair:
    """What belongs to an image."""

    depth: DepthMessage
    info: CameraInfo


@dataclass(eq=False)
class _Nearest:
    """The depth images next to a stamp, ns: not later, and not earlier."""

    stamp_ns: int
    before: DepthMessage | None = None
    after: DepthMessage | None = None

    def note(self, depth: DepthMessage) -> None:
        stamp_ns = nanoseconds(depth.header.stamp)
        if stamp_ns <= self.stamp_ns and (self.before is None or stamp_ns >= _ns(self.before)):
            self.before = depth
        if stamp_ns >= self.stamp_ns and (self.after is None or stamp_ns < _ns(self.after)):
            self.after = depth

    def nearest(self) -> tuple[DepthMessage, int] | None:
        """Return it and how far it is away, ns; None where there is none."""
        near = [each for each in (self.before, self.after) if each is not None]
        found = min(near, key=lambda each: abs(_ns(each) - self.stamp_ns), default=None)
        return None if found is None else (found, abs(_ns(found) - self.stamp_ns))


class DepthPairs:
    """The depth images of one camera; for any thread."""

    def __init__(
        self,
        tolerance_s: Callable[[], float],
        jump_s: Callable[[], float],
        topic: str = "",
        info_topic: str = "",
    ) -> None:
        """tolerance_s, jump_s: return depth_tolerance and clock_jump_s as they are now.

        topic, info_topic: where depth and camera_info come from, for people.
        """
        self._tolerance_s, self._jump_s = tolerance_s, jump_s
        self._topic, self._info_topic = topic, info_topic
        self._lock = NodeLock.DEPTH_PAIRS.make()
        self._recent: deque[DepthMessage] = deque(maxlen=_RECENT)
        self._newest: deque[_Nearest] = deque(maxlen=_NEWEST)
        self._taken: dict[int, _Nearest] = {}
        self._info: CameraInfo | None = None
        self._latest_ns = 0
        self._came = float("-inf")

    def note_image(self, stamp_ns: int) -> None:
        """Note that an image came."""
        with self._lock:
            self._newest.append(self._among_recent(stamp_ns))

    def note_info(self, message: CameraInfo) -> None:
        """Note the camera's calibration; the last one counts."""
        with self._lock:
            self._info = message

    def note(self, depth: DepthMessage) -> bool:
        """Note a depth image; return whether an image was taken whose depth may now be known."""
        stamp_ns = _ns(depth)
        with self._lock:
            if stamp_ns < self._latest_ns - self._jump_s() * NANOSECONDS:
                self._recent.clear()  # those stamps will come again
                self._latest_ns = 0
            self._latest_ns = max(self._latest_ns, stamp_ns)
            self._came = time.monotonic()
            self._recent.append(depth)
            for nearest in (*self._newest, *self._taken.values()):
                nearest.note(depth)
            return bool(self._taken)

    def take(self, stamp_ns: int) -> None:
        """Keep what belongs to this image until drop(); it is answered now."""
        with self._lock:
            known = [each for each in self._newest if each.stamp_ns == stamp_ns]
            nearest = known[-1] if known else self._among_recent(stamp_ns)
            self._taken[stamp_ns] = nearest
            while len(self._taken) > _MOST_TAKEN:
                del self._taken[next(iter(self._taken))]

    def drop(self, stamp_ns: int) -> None:
        """Forget what was taken for this image."""
        with self._lock:
            self._taken.pop(stamp_ns, None)

    def find(self, stamp_ns: int, may_wait: bool) -> DepthPair | None:
        """Return what belongs to an image that was taken; None while it may still come.

        may_wait: whether there is time for that. Raises DepthRefusedError.
        """
        with self._lock:
            nearest = self._taken.get(stamp_ns) or self._among_recent(stamp_ns)
            near = nearest.nearest()
            if may_wait and not (self._is_decided(nearest) and self._info is not None):
                return None
            if near is None or near[1] > self._tolerance_s() * NANOSECONDS:
                raise self._unpaired(nearest, near)
            if self._info is None:
                raise DepthRefusedError(
                    DepthRefusal.NO_CAMERA_INFO,
                    f"no message came on {self._info_topic}: remap camera_info to the topic that "
                    "belongs to the depth images",
                )
            return DepthPair(near[0], self._info)

    def clear(self) -> None:
        """Forget everything: nobody listens any more."""
        with self._lock:
            self._recent.clear()
            self._newest.clear()
            self._taken.clear()
            self._info, self._latest_ns, self._came = None, 0, float("-inf")

    def _among_recent(self, stamp_ns: int) -> _Nearest:
        nearest = _Nearest(stamp_ns)
        for depth in self._recent:
            nearest.note(depth)
        return nearest

    def _is_decided(self, nearest: _Nearest) -> bool:
        """Return whether no nearer depth image is to be expected."""
        if nearest.after is None:
            return self._is_next_farther(nearest)
        # One that is far ahead is of before the clock jumped back; that is seen once depth comes.
        ahead_s = (_ns(nearest.after) - nearest.stamp_ns) / NANOSECONDS
        return ahead_s <= max(self._jump_s(), self._tolerance_s())

    def _is_next_farther(self, nearest: _Nearest) -> bool:
        """Return whether the next depth, at the least distance of the last ones, will be farther.

        So an image waits for no depth where the one before it is nearly its own.
        """
        stamps = sorted({_ns(depth) for depth in self._recent})
        if nearest.before is None or len(stamps) < _ENOUGH_FOR_A_PACE:
            return False
        pace_ns = min(later - earlier for earlier, later in pairwise(stamps))
        off_ns = nearest.stamp_ns - _ns(nearest.before)
        return off_ns <= self._tolerance_s() * NANOSECONDS and 2 * off_ns < pace_ns

    def _unpaired(
        self, nearest: _Nearest, near: tuple[DepthMessage, int] | None
    ) -> DepthRefusedError:
        if near is None or time.monotonic() - self._came > _SILENT_S:
            return DepthRefusedError(
                DepthRefusal.NO_DEPTH,
                f"no depth image came on {self._topic} in the last {_SILENT_S:g} s: remap depth "
                "to the camera's registered depth, and compare depth_transport with what is "
                "published",
            )
        apart = f"{near[1] / 1e6:.1f} ms"
        if nearest.after is not None:
            return DepthRefusedError(
                DepthRefusal.TOO_FAR,
                f"the nearest depth image is {apart} away, and depth_tolerance is "
                f"{self._tolerance_s():g} s",
            )
        behind = (nearest.stamp_ns - self._latest_ns) / 1e6
        return DepthRefusedError(
            DepthRefusal.TOO_LATE,
            f"the newest depth image is {behind:.1f} ms older than the image and no other came in "
            "time: raise depth_wait_s, or depth_tolerance where depth has other stamps",
        )


def _ns(depth: DepthMessage) -> int:
    return nanoseconds(depth.header.stamp)
