"""Where an object is in an image: its pixels, without the image around them.

Objects are compared by these. What two of them share is counted only where their bounds meet, so
that it does not depend on the size of the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Box, ImageSize, Point
from sam3_ros.core.segmenter.masks import Mask, inmost_point, mask_bounds
from sam3_ros.core.segmenter.segments import Segment


@dataclass(frozen=True, eq=False)
class Place:
    """The pixels of an object, at least one. Raises ValueError for none."""

    #: bool [h, w], cut to the pixels' bounds; never written to.
    mask: Mask
    #: Of the mask's corner, px of the image.
    left: int
    top: int
    #: Of the image.
    size: ImageSize
    #: How many there are.
    pixels: int = field(init=False)

    def __post_init__(self) -> None:
        pixels = int(np.count_nonzero(self.mask))
        if not pixels:
            raise ValueError("an object that is seen has at least one pixel, got none")
        object.__setattr__(self, "pixels", pixels)

    @classmethod
    def of(cls, segment: Segment) -> Place:
        """Return the place of a segment that is seen."""
        rows, columns = segment.window
        return cls(segment.mask[rows, columns].copy(), columns.start, rows.start, segment.size)

    @classmethod
    def of_mask(cls, mask: Mask) -> Place | None:
        """Return the place of a mask, bool [H, W]; None where it is empty."""
        return cls._tight(mask, 0, 0, ImageSize(*mask.shape))

    @classmethod
    def _tight(cls, mask: Mask, left: int, top: int, size: ImageSize) -> Place | None:
        """Cut a part of an image to its pixels, and to the image."""
        rows = slice(max(-top, 0), max(size.height - top, 0))
        columns = slice(max(-left, 0), max(size.width - left, 0))
        inside = np.ascontiguousarray(mask[rows, columns])
        bounds = mask_bounds(inside) if inside.size else None
        if bounds is None:
            return None
        x, y, right, bottom = (int(edge) for edge in bounds.as_tuple())
        cut = inside[y:bottom, x:right].copy()
        return cls(cut, max(left, 0) + x, max(top, 0) + y, size)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels."""
        return self.mask.nbytes

    @cached_property
    def box(self) -> Box:
        """The bounds, px of the image."""
        height, width = self.mask.shape
        return Box(self.left, self.top, self.left + width, self.top + height)

    @property
    def middle(self) -> Point:
        """The middle of the bounds."""
        height, width = self.mask.shape
        return Point(self.left + width / 2, self.top + height / 2)

    @cached_property
    def centroid(self) -> Point:
        """The mean of the pixels' middles."""
        moments = cv2.moments(self.mask.view(np.uint8), binaryImage=True)
        x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
        return Point(self.left + x + 0.5, self.top + y + 0.5)

    @property
    def inmost_point(self) -> Point:
        """The middle of the pixel that lies deepest inside."""
        x, y = inmost_point(self.mask)
        return Point(self.left + x, self.top + y)

    @property
    def touches_edge(self) -> bool:
        """Whether it reaches the last but one row or column of the image."""
        box, size = self.box, self.size
        low = min(box.x_min, box.y_min) <= 1
        return low or box.x_max >= size.width - 1 or box.y_max >= size.height - 1

    @property
    def numbers(self) -> tuple[int, ...]:
        """What `restored` needs beside the bits."""
        return (*self.size, self.top, self.left, *self.mask.shape)

    @property
    def bits(self) -> npt.NDArray[np.uint8]:
        """The pixels, eight in a byte."""
        return np.packbits(self.mask)

    @classmethod
    def restored(cls, numbers: Sequence[int], bits: npt.NDArray[np.uint8]) -> Place:
        """Return the place of `numbers` and `bits`. Raises ValueError where they do not fit."""
        height, width, top, left, rows, columns = numbers
        if min(top, left, rows, columns) < 0 or top + rows > height or left + columns > width:
            raise ValueError(f"a place lies in its image, not {list(numbers)}")
        if len(bits) != -(-rows * columns // 8):
            raise ValueError(f"{rows} x {columns} px do not fit into {len(bits)} bytes")
        mask = np.unpackbits(bits, count=rows * columns).reshape(rows, columns).astype(np.bool_)
        return cls(mask, left, top, ImageSize(height, width))

    def whole(self) -> Mask:
        """Return the mask over the image, bool [H, W]."""
        mask = np.zeros(self.size, np.bool_)
        height, width = self.mask.shape
        mask[self.top : self.top + height, self.left : self.left + width] = self.mask
        return mask

    def iou(self, other: Place) -> float:
        """Return the intersection over union. Both lie in images of one size."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.mask.shape[1], other.left + other.mask.shape[1])
        bottom = min(self.top + self.mask.shape[0], other.top + other.mask.shape[0])
        if left >= right or top >= bottom:
            return 0.0
        ours, theirs = (
            each.mask[top - each.top : bottom - each.top, left - each.left : right - each.left]
            for each in (self, other)
        )
        shared = int(np.count_nonzero(ours & theirs))
        return shared / (self.pixels + other.pixels - shared)

    def moved(self, step: Point) -> Place | None:
        """Return what of it is in the image after it moved by a step, px; None where nothing is."""
        x, y = math.floor(step.x), math.floor(step.y)
        mask, rest = self.mask, (step.x - x, step.y - y)
        if rest != (0, 0):  # between pixels
            move = np.array([[1, 0, rest[0]], [0, 1, rest[1]]], np.float32)
            wider = (mask.shape[1] + 1, mask.shape[0] + 1)
            mask = cv2.warpAffine(mask.astype(np.uint8), move, wider) > 0
        return Place._tight(mask, self.left + x, self.top + y, self.size)
