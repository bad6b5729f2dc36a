"""Mask logits resized only where the mask is, to the same bits as if they were resized whole.

OpenCV's bilinear resize goes along the rows, then down the columns; each row of the first pass and
each column of the second stands for itself, with weights that follow from the whole's size. So the
passes are made apart, the first of the rows and the second of the columns that matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box, ImageSize, Point

Floats = npt.NDArray[np.float32]

# Neighbours of what is above the threshold, which the next resize needs as they are.
_MARGIN = 3
# Of the work of resizing the whole; above it, the detour by patches costs more than it saves.
_WORTH_IT = 0.7


def mask_bounds(mask: np.ndarray) -> Box | None:
    """The box around the True pixels of a bool mask [H, W]; None when there are none."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0 or height == 0:
        return None
    return Box(x, y, x + width, y + height)


def inmost_point(mask: np.ndarray) -> Point:
    """The middle of the pixel that lies deepest inside a bool mask [H, W] with any True."""
    # The border counts as outside, so that a mask cut by it is pointed at well within the image.
    framed = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return Point(float(column) + 0.5, float(row) + 0.5)


@dataclass(frozen=True, eq=False)
class FoundMask:
    """mask: bool [H, W]. bounds: the box around its True pixels, None where there are none."""

    mask: npt.NDArray[np.bool_]
    bounds: Box | None


@dataclass(frozen=True, eq=False)
class Patch:
    """Logits f32 [h, w] of a part of a grid; none outside of it is above the threshold.

    top, left: where it begins, px of the grid. whole: the grid's size. filling: not above the
    threshold either, for what lies outside.
    """

    values: Floats
    top: int
    left: int
    whole: ImageSize
    filling: float

    def __post_init__(self) -> None:
        if self.top < 0 or self.left < 0:
            raise ValueError(f"a patch begins inside its grid, not at {self.top}, {self.left}")
        if self.bottom > self.whole.height or self.right > self.whole.width:
            raise ValueError(f"a patch ends inside its grid {self.whole}, got {self.values.shape}")

    @property
    def bottom(self) -> int:
        return self.top + len(self.values)

    @property
    def right(self) -> int:
        return self.left + int(self.values.shape[1])

    def resized(self, size: ImageSize) -> Patch:
        """The grid at another size, and in it the part that depends on nothing outside."""
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
        """The grid's top left part, of that size."""
        top, left = min(self.top, size.height), min(self.left, size.width)
        values = self.values[: size.height - top, : size.width - left]
        return Patch(values, top, left, size, self.filling)

    def found(self, threshold: float) -> FoundMask:
        """Where it is above the threshold, over the whole grid."""
        mask = np.zeros(self.whole, np.bool_)
        part = mask[self.top : self.bottom, self.left : self.right]
        np.greater(self.values, np.float32(threshold), out=part)
        # The patch is shorter to search than the mask, but OpenCV fails on a view without a pixel.
        bounds = mask_bounds(part) if part.size else None
        if bounds is not None:
            bounds = bounds.moved(self.left, self.top)
        return FoundMask(mask, bounds)

    def _across(self) -> Floats:
        """f32 [h, whole width]"""
        if self.values.shape[1] == self.whole.width:
            return self.values
        rows = np.full((self.values.shape[0], self.whole.width), self.filling, np.float32)
        rows[:, self.left : self.right] = self.values
        return rows

    def _laid_out(self) -> Floats:
        if self.values.shape == tuple(self.whole):
            return self.values
        grid = np.full(self.whole, self.filling, np.float32)
        grid[self.top : self.bottom, self.left : self.right] = self.values
        return grid


def patch_of(logits: npt.NDArray[Any], threshold: float) -> Patch | None:
    """The part of mask logits [h, w] around all that is above the threshold; None: nothing is."""
    values = logits.astype(np.float32, copy=False)
    # Between values that are at the threshold, or just below, rounding may rise above it.
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
    """Of the new pixels, those whose old neighbours lie in [first, end) of the old."""
    scale = new / old
    begin = 0 if first == 0 else max(math.ceil((first + 0.5) * scale - 0.5 + 1e-3), 0)
    stop = new if end == old else max(math.floor((end - 0.5) * scale - 0.5 - 1e-3) + 1, 0)
    return min(begin, stop), stop


def _resize(values: Floats, size: ImageSize) -> Floats:
    """Bilinear between pixel centres without antialias, as torch with align_corners=False."""
    if values.shape == tuple(size):
        return values
    target = (size.width, size.height)
    return np.asarray(cv2.resize(values, target, interpolation=cv2.INTER_LINEAR), np.float32)
