"""What a segmenter answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.masks import mask_bounds


@dataclass(frozen=True, eq=False)
class Segment:
    """One object found in an image.

    mask: bool [H, W] at the source image's size. box: source-image px; of a concept prompt the
    model's own, which may reach past the image's edge, of an interactive one the mask's bounds.
    score: probability that this is an instance, or of an interactive prompt the model's
    estimate of the mask's IoU (which may lie slightly outside [0, 1]). bounds: the box around the
    mask's True pixels, None where there are none; looked for unless it is given.
    """

    prompt_id: str
    label: str
    score: float
    box: Box
    mask: np.ndarray
    bounds: Box | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(
                f"a mask must be bool [H, W], got {self.mask.dtype} {list(self.mask.shape)}"
            )
        if not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, got {self.score}")
        if self.bounds is None:
            object.__setattr__(self, "bounds", mask_bounds(self.mask))
        elif self.bounds.clipped_to(self.size) != self.bounds:
            raise ValueError(f"a mask's bounds lie in its image {self.size}, not {self.bounds}")

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the mask outside of which it is False; for indexing arrays."""
        if self.bounds is None:
            return slice(0, 0), slice(0, 0)
        left, top, right, bottom = (int(edge) for edge in self.bounds.as_tuple())
        return slice(top, bottom), slice(left, right)

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.mask.shape)
