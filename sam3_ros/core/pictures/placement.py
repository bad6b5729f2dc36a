"""Where captions go: beside their box, inside the picture, and none over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize

# A place counts as one over other objects if they fill more of it than this.
_MUCH_COVERED = 0.3


@dataclass(frozen=True)
class Area:
    """Whole pixels of a picture; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def rows_and_columns(self) -> tuple[slice, slice]:
        """For indexing arrays."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def as_tuple(self) -> tuple[int, int, int, int]:
        """Return (left, top, right, bottom)."""
        return self.left, self.top, self.right, self.bottom


# One area a row, as Area.as_tuple.
Areas = npt.NDArray[np.int64]


class FreePlaces:
    """The places of a picture that no caption has taken yet."""

    def __init__(self, size: ImageSize, objects: Sequence[Area]) -> None:
        """Begin with a picture without captions.

        objects: the boxes in it, which captions of others rather leave free.
        """
        self._size = size
        self._objects = _as_array([area.as_tuple() for area in objects])
        self._taken: list[tuple[int, int, int, int]] = []

    def take(self, place: Area) -> None:
        """Let nothing else be placed there."""
        self._taken.append(place.as_tuple())

    def beside(self, box: Area, height: int, width: int) -> Area | None:
        """Take and return a place of this size at a box; None if none is free."""
        corners = np.array(_corners(box, height, width, self._size), np.int64)
        most = np.array([self._size.width - width, self._size.height - height])
        corners = corners[((corners >= 0) & (corners <= most)).all(axis=1)]
        places = np.hstack([corners, corners + np.array([width, height])])
        if self._taken:
            places = places[_shared(places, _as_array(self._taken)).sum(axis=1) == 0]
        if not len(places):
            return None
        others = self._objects[(self._objects != box.as_tuple()).any(axis=1)]
        is_crowded = _shared(places, others).sum(axis=1) > _MUCH_COVERED * height * width
        # The first that is not crowded, or the first.
        chosen = Area(*places[int(np.argmin(is_crowded))].tolist())
        self.take(chosen)
        return chosen


def _corners(box: Area, height: int, width: int, size: ImageSize) -> list[tuple[int, int]]:
    """Return left and top of places at a box, the best first; some may leave the picture."""
    above, below = box.top - height, box.bottom
    # There, a caption may be wider than its box: it moves back into the picture.
    end = size.width - width
    from_left, to_right = (min(max(left, 0), end) for left in (box.left, box.right - width))
    corners = [(from_left, above), (to_right, above), (from_left, below), (to_right, below)]
    inside = [(box.left, box.top), (box.left, box.bottom - height)]
    if box.height >= 3 * height and box.width >= width:
        corners += inside
    for top in (box.top, box.bottom - height):
        corners += [(box.right, top), (box.left - width, top)]
    low = size.height - height
    return [*corners, (from_left, min(max((box.top + box.bottom - height) // 2, 0), low))]


def _as_array(areas: Sequence[tuple[int, int, int, int]]) -> Areas:
    return np.array(areas, np.int64).reshape(-1, 4)


def _shared(ones: Areas, others: Areas) -> npt.NDArray[np.int64]:
    """Return the pixels that each of some areas shares with each of some others, [N, M]."""
    begin = np.maximum(ones[:, None, :2], others[None, :, :2])
    extent = np.maximum(np.minimum(ones[:, None, 2:], others[None, :, 2:]) - begin, 0)
    shared: npt.NDArray[np.int64] = extent[:, :, 0] * extent[:, :, 1]
    return shared
