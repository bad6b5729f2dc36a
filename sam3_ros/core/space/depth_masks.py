"""A segment's mask on the depth image's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.sizes import pixels_per_depth


@dataclass(frozen=True, eq=False)
class DepthMask:
    """The part of a mask's grid that holds all of it."""

    #: bool [h, w], with at least one pixel.
    mask: Mask
    #: Of the part's corner, px of the depth image.
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns in the depth image."""
        height, width = self.mask.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)


def depth_mask_of(segment: Segment, size: ImageSize, whole: bool = True) -> DepthMask | None:
    """Return a segment's mask for a depth image of this size; None where it has no pixel.

    A depth pixel that is several of the mask's wide belongs to it if all of them do, or, not
    `whole`, if any does. Raises SpaceError where sizes do not fit.
    """
    factor = pixels_per_depth(segment.size, size)
    if segment.bounds is None:
        return None
    rows, columns = segment.window
    top, left = rows.start // factor, columns.start // factor
    bottom, right = -(-rows.stop // factor), -(-columns.stop // factor)
    mask: Mask = segment.mask[top * factor : bottom * factor, left * factor : right * factor]
    if factor > 1:
        blocks = mask.reshape(bottom - top, factor, right - left, factor)
        mask = np.asarray(blocks.all(axis=(1, 3)) if whole else blocks.any(axis=(1, 3)))
        if not mask.any():
            return None
    return DepthMask(mask, top, left)
