"""Masks: their bounds, inmost point and overlap; and mask logits at another size.

Logits are resized only where the mask is (Patch), to the same bits as if they were resized whole.
OpenCV's bilinear resize goes along the rows, then down the columns; each row of the first pass and
each column of the second is independent of the others, with weights that follow from the size of
the whole. So the two passes are run separately, the first on the rows and the second on the columns
that matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box, ImageSize, Point

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

# Neighbours of the values above the threshold, which the next resize needs unchanged.
_MARGIN = 3
# A grid of more px, and of more than so many times what is wanted of it, is not computed whole.
_LARGE, _MOST_UNWANTED = 1 << 24, 4
# As a share of the work of resizing the whole: above it, patches cost more than they save.
_WORTH_IT = 0.7


def mask_bounds(mask: Mask) -> Box | None:
    """Return the box around the True pixels of a bool mask [H, W]; None when there are none."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0 or height == 0:
        return None
    return Box(x, y, x + width, y + height)


def inmost_point(mask: Mask) -> Point:
    """Return the middle of the pixel that lies deepest inside a bool mask [H, W] with any True."""
    # The border counts as outside, so that the point lies well within the image.
    framed = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return Point(float(column) + 0.5, float(row) + 0.5)


def iou(one: Mask, other: Mask) -> float:
    """Return the intersection over union; 0 for two empty masks."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


@dataclass(frozen=True, eq=False)
class FoundMask:
    """A mask with its bounds."""

    #: bool [H, W]
    mask: Mask
    #: The box around its True pixels, None where there are none.
    bounds: Box | None


@dataclass(frozen=True, eq=False)
class Patch:
    """Logits of a part of a grid; none outside of it is above the threshold."""

    #: f32 [h, w]
    values: Floats
    #: Where the part begins, px of the grid.
    top: int
    left: int
    #: The size of the grid.
    whole: ImageSize
    #: What the rest of the grid is taken to be; not above the threshold.
    filling: float

    def __post_init__(self) -> None:
        if self.top < 0 or self.left < 0:
            raise ValueError(f"a patch begins inside its grid, not at {self.top}, {self.left}")
        if self.bottom > self.whole.height or self.right > self.whole.width:
            raise ValueError(f"a patch ends inside its grid {self.whole}, got {self.values.shape}")

    @property
    def bottom(self) -> int:
        """Where the part ends, px of the grid, exclusive."""
        return self.top + len(self.values)

    @property
    def right(self) -> int:
        """Where the part ends, px of the grid, exclusive."""
        return self.left + int(self.values.shape[1])

    def resized(self, size: ImageSize) -> Patch:
        """Return the part of the resized grid that depends on nothing outside of this part."""
        if size == self.whole:
            return self
        first, end = _computable(self.left, self.right, self.whole.width, size.width)
        top, bottom = _computable(self.top, self.bottom, self.whole.height, size.height)
        if first == end or top == bottom:
            return Patch(np.empty((0, 0), np.float32), 0, 0, size, self.filling)
        work = len(self.values) / self.whole.height + (end - first) / size.width
        if work > _WORTH_IT:
            return Patch(_resize(self._laid_out(), size), 0, 0, size, self.filling)
        height = len(self.values)
        wide = self._across()
        wide = _resize(wide, ImageSize(height, size.width))[:, first:end]
        tall = np.full((self.whole.height, end - first), self.filling, np.float32)
        tall[self.top : self.bottom] = wide
        tall = _resize(tall, ImageSize(size.height, end - first))
        return Patch(tall[top:bottom], top, first, size, self.filling)

    def cropped(self, size: ImageSize) -> Patch:
        """Return what lies in the grid's top left corner, of that size."""
        top, left = min(self.top, size.height), min(self.left, size.width)
        values = self.values[: size.height - top, : size.width - left]
        return Patch(values, top, left, size, self.filling)

    def resized_corner(self, size: ImageSize, corner: ImageSize) -> Patch:
        """Return resized(size).cropped(corner), whatever the size.

        The frame around a picture of 1x1000000 px, of which it is the corner, has 10^12 px. Of such
        a frame only the corner is computed, and then to rounding as if it were resized whole.
        """
        area = size.height * size.width
        if area <= max(_LARGE, _MOST_UNWANTED * corner.height * corner.width):
            return self.resized(size).cropped(corner)
        values = self._laid_out()
        # The axis that becomes shorter goes first: what lies between the two is small.
        axes = (0, 1) if corner.height <= corner.width else (1, 0)
        for axis in axes:
            values = _sampled(values, axis, size[axis], corner[axis])
        return Patch(values, 0, 0, corner, self.filling)

    def found(self, threshold: float) -> FoundMask:
        """Return the mask of what is above the threshold, over the whole grid."""
        mask = np.zeros(self.whole, np.bool_)
        part = mask[self.top : self.bottom, self.left : self.right]
        np.greater(self.values, np.float32(threshold), out=part)
        # The patch is faster to search than the mask, but OpenCV fails on a view without a pixel.
        bounds = mask_bounds(part) if part.size else None
        if bounds is not None:
            bounds = bounds.moved(self.left, self.top)
        return FoundMask(mask, bounds)

    def _across(self) -> Floats:
        """Return f32 [h, width of the grid], filled on both sides."""
        if self.values.shape[1] == self.whole.width:
            return self.values
        rows = np.full((self.values.shape[0], self.whole.width), self.filling, np.float32)
        rows[:, self.left : self.right] = self.values
        return rows

    def _laid_out(self) -> Floats:
        """Return the whole grid, filled around the part."""
        if self.values.shape == tuple(self.whole):
            return self.values
        grid = np.full(self.whole, self.filling, np.float32)
        grid[self.top : self.bottom, self.left : self.right] = self.values
        return grid


def patch_of(logits: npt.NDArray[Any], threshold: float) -> Patch | None:
    """Return the part of mask logits [h, w] that holds all above the threshold; None if none is."""
    values = logits.astype(np.float32, copy=False)
    # Interpolating between values at the threshold or just below may round to above it.
    near = np.float32(threshold - 1e-6 * abs(threshold))
    left, top, width, height = cv2.boundingRect((values >= near).view(np.uint8))
    if width == 0:
        return None
    whole = ImageSize(*values.shape)
    if height / whole.height + width / whole.width > _WORTH_IT:
        return Patch(values, 0, 0, whole, threshold - 1)
    rows = slice(max(top - _MARGIN, 0), top + height + _MARGIN)
    columns = slice(max(left - _MARGIN, 0), left + width + _MARGIN)
    return Patch(values[rows, columns], rows.start, columns.start, whole, threshold - 1)


def _computable(first: int, end: int, old: int, new: int) -> tuple[int, int]:
    """Return the range of new pixels whose old neighbours all lie in [first, end)."""
    scale = new / old
    begin = 0 if first == 0 else max(math.ceil((first + 0.5) * scale - 0.5 + 1e-3), 0)
    stop = new if end == old else max(math.floor((end - 0.5) * scale - 0.5 - 1e-3) + 1, 0)
    return min(begin, stop), stop


def _resize(values: Floats, size: ImageSize) -> Floats:
    """Resize bilinearly between pixel centres, no antialias, as torch with align_corners=False."""
    if values.shape == tuple(size):
        return values
    target = (size.width, size.height)
    return np.asarray(cv2.resize(values, target, interpolation=cv2.INTER_LINEAR), np.float32)


def _sampled(values: Floats, axis: int, size: int, wanted: int) -> Floats:
    """Return the first values along an axis that is resized as _resize does."""
    length = values.shape[axis]
    places = (np.arange(wanted) + 0.5) * (length / size) - 0.5
    places = np.clip(places, 0, length - 1)
    before = places.astype(np.intp)
    after = np.minimum(before + 1, length - 1)
    share = (places - before).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    first, second = values.take(before, axis), values.take(after, axis)
    return np.asarray(first + (second - first) * share, np.float32)
