"""Where a followed object was, where it should be next, and why an answer cannot be it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Point
from sam3_ros.core.segmenter.segments import Segment

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

# Measured on moving views of tabletop scenes: docs/adr/0006-following.md.
LEAST_OVERLAP = 0.1
LARGEST_CHANGE = 3.0
LEAVING_SHARE = 0.25
SURELY_OUTSIDE = -20.0  # a mask's logit


@dataclass(frozen=True, eq=False)
class LastSeen:
    """An object in the image that was answered last.

    mask_logits: f32[h, w] over the model's frame. step: how far its middle moved since the image
    before, px. largest: pixels of its largest mask so far.
    """

    segment: Segment
    mask_logits: Floats
    step: Point
    largest: int

    @classmethod
    def first(cls, segment: Segment, mask_logits: Floats) -> LastSeen:
        """In the image where it was clicked."""
        return cls(segment, mask_logits, Point(0.0, 0.0), _pixels(segment.mask))

    def then(self, segment: Segment, mask_logits: Floats) -> LastSeen:
        """After the next image's answer."""
        before, now = _middle(self.segment), _middle(segment)
        largest = max(self.largest, _pixels(segment.mask))
        return LastSeen(segment, mask_logits, Point(now.x - before.x, now.y - before.y), largest)

    def expected(self) -> tuple[Mask, Floats]:
        """Mask and logits in the next image if it keeps its pace; as they are if that is outside.

        The logits move as a part of the frame, which a padded one does by a little less.
        """
        mask, logits = self.segment.mask, self.mask_logits
        moved = _shifted(mask.astype(np.uint8), self.step, 0) > 0
        if not moved.any():
            return mask, logits
        (rows, columns), (height, width) = logits.shape, mask.shape
        step = Point(self.step.x * columns / width, self.step.y * rows / height)
        return moved, np.asarray(_shifted(logits, step, SURELY_OUTSIDE), np.float32)

    def objection(self, expected: Mask, found: Segment) -> str:
        """Why this segment of the next image is not the object, in words and numbers; or ""."""
        overlap = max(iou(found.mask, expected), iou(found.mask, self.segment.mask))
        if overlap < LEAST_OVERLAP:
            what = f"overlap {overlap:.2f} with where it was or should be"
            return f"it jumped: {what} (least {LEAST_OVERLAP:g})"
        before, now = _pixels(expected), _pixels(found.mask)
        if not before / LARGEST_CHANGE <= now <= before * LARGEST_CHANGE:
            return f"its size jumped from {before} to {now} px (at most {LARGEST_CHANGE:g} times)"
        share = now / max(self.largest, now)
        if share < LEAVING_SHARE and _touches_edge(found):
            return f"it is leaving the view: {share:.0%} of its largest mask is left at the edge"
        return ""


def iou(one: Mask, other: Mask) -> float:
    """Intersection over union; 0 for two empty masks."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def _pixels(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _middle(segment: Segment) -> Point:
    box = segment.box
    return Point((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2)


def _touches_edge(segment: Segment) -> bool:
    box, size = segment.box, segment.size
    beyond_low = min(box.x_min, box.y_min) <= 1
    return beyond_low or box.x_max >= size.width - 1 or box.y_max >= size.height - 1


def _shifted(image: npt.NDArray[Any], step: Point, outside: float) -> npt.NDArray[Any]:
    height, width = image.shape
    move = np.array([[1, 0, step.x], [0, 1, step.y]], np.float32)
    return np.asarray(cv2.warpAffine(image, move, (width, height), borderValue=(outside,)))
