"""Are the answers of two ways the same?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam3_ros.core.segmenter.segments import Segment


@dataclass(frozen=True)
class Likeness:
    """masks: how many there were, ours and theirs; equal_pixels: part of the worst mask's pixels on
    the same side; score: the largest difference; box_px: the same of any corner. Where the numbers
    of masks differ, equal_pixels is 0."""

    masks: tuple[int, int]
    equal_pixels: float
    score: float
    box_px: float


def likeness(ours: Sequence[Segment], theirs: Sequence[Segment]) -> Likeness:
    """Each of ours is held against that of theirs whose box is nearest: of two scores that are
    almost equal, rounding decides which comes first."""
    left = list(theirs)
    pairs = []
    for segment in ours[: len(theirs)]:
        nearest = left.pop(int(np.argmin([_apart(segment, other) for other in left])))
        pairs.append((segment, nearest))
    equal = [float(np.mean(a.mask == b.mask)) for a, b in pairs]
    return Likeness(
        (len(ours), len(theirs)),
        min(equal, default=1.0) if len(ours) == len(theirs) else 0.0,
        max((abs(a.score - b.score) for a, b in pairs), default=0.0),
        max((_apart(a, b) for a, b in pairs), default=0.0),
    )


def _apart(one: Segment, other: Segment) -> float:
    """Of boxes: the largest difference of a corner, px."""
    return float(np.abs(np.subtract(one.box.as_tuple(), other.box.as_tuple())).max())
