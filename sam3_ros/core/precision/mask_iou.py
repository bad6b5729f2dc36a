"""How far two masks agree: plainly, and with the rounding of their edges forgiven.

One pixel of a mask of twelve is a twelfth of its IoU, so the plain figure cannot tell a small
object that rounding touched from a large one of which a part is lost.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Masks = npt.NDArray[np.bool_]

#: Pixels of the edge that may differ, as a part of the edge's length: rounding moves an edge by
#: less than half a pixel on average.
EDGE_FORGIVEN = 0.5
#: So few pixels may differ anywhere: a mask of one or two pixels may come or go.
PIXELS_FORGIVEN = 2

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def plain_ious(expected: Masks, found: Masks) -> tuple[float, ...]:
    """Return the IoU of each pair of masks [K, h, w], 1 where both are empty."""
    union = np.count_nonzero(expected | found, axis=(-2, -1))
    common = np.count_nonzero(expected & found, axis=(-2, -1))
    ious = np.where(union == 0, 1.0, common / np.maximum(union, 1))
    return tuple(float(iou) for iou in ious)


def lenient_ious(expected: Masks, found: Masks) -> tuple[float, ...]:
    """Return the IoU of each pair of masks [K, h, w] with the rounding of edges forgiven."""
    return tuple(_lenient_iou(*pair) for pair in zip(expected, found, strict=True))


def _lenient_iou(expected: Masks, found: Masks) -> float:
    """Return 1 minus the pixels that differ for another reason than rounding, over the union.

    A pixel may differ for rounding where it touches the edges of both masks: the pixel that only
    one of them has is next to the other, and next to the background of both.
    """
    differing = expected != found
    count = int(np.count_nonzero(differing))
    if count <= PIXELS_FORGIVEN:
        return 1.0
    common, background = _grown(expected & found), _grown(~(expected | found))
    at_edge = int(np.count_nonzero(differing & common & background))
    length = int(np.count_nonzero(_grown(expected) & ~expected))
    wrong = count - min(at_edge, int(EDGE_FORGIVEN * length))
    return 1 - wrong / int(np.count_nonzero(expected | found))


def _grown(mask: Masks) -> Masks:
    """Return the mask with the eight neighbours of each of its pixels."""
    return cv2.dilate(mask.astype(np.uint8), _NEIGHBOURS).astype(np.bool_)
