"""The inside of a mask: its rim left out, where pixels mix an object with what is behind it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Mask

_WIDEST_OF_IMAGE = 320
# Of the distance from the edge to the inmost pixel; the rest is left whatever the rim.
_MOST_OF_MASK = 0.35


@dataclass(frozen=True, eq=False)
class Interior:
    """The inside of a mask's window."""

    #: bool [h, w]
    mask: Mask
    #: How wide a rim was left out, px; 0 where the mask is too thin for one.
    rim: int
    #: Whether the mask reaches the image's border.
    cut: bool


def rim_width(size: ImageSize) -> int:
    """Return how wide the rim of flying pixels is in an image of this size, px: 2 in 640x480."""
    return max(1, round(max(size) / _WIDEST_OF_IMAGE))


def interior_of(mask: Mask, top: int, left: int, size: ImageSize) -> Interior:
    """Return the inside of a mask bool [h, w] whose corner lies at (top, left) of the image.

    The rim is `rim_width`, and at most about a third of the way to the inmost pixel, so that
    something is always left. At the image's border there is no rim: the object goes on.
    """
    height, width = mask.shape
    framed = np.zeros((height + 2, width + 2), np.uint8)
    framed[1:-1, 1:-1] = mask
    ends = (top == 0, top + height == size.height, left == 0, left + width == size.width)
    if ends[0]:
        framed[0] = framed[1]
    if ends[1]:
        framed[-1] = framed[-2]
    if ends[2]:
        framed[:, 0] = framed[:, 1]
    if ends[3]:
        framed[:, -1] = framed[:, -2]
    reached = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    cut = any(end and bool(edge.any()) for end, edge in zip(ends, reached, strict=True))
    depth = cv2.distanceTransform(framed, cv2.DIST_C, 3)[1:-1, 1:-1]
    # A mask that covers the image has no edge: its distances are not finite numbers of pixels.
    inmost = min(float(depth.max()), float(height + width))
    rim = min(rim_width(size), int(_MOST_OF_MASK * inmost))
    return Interior(depth > rim, rim, cut)
