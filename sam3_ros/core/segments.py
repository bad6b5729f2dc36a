"""What a segmenter answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sam3_ros.core.geometry import Box, ImageSize


@dataclass(frozen=True, eq=False)
class Segment:
    """One object found in an image.

    mask: bool [H, W] at the source image's size. box: source-image px; of a concept prompt the
    model's own, which may reach past the image's edge, of an interactive one the mask's bounds.
    score: probability that this is an instance, or of an interactive prompt the model's
    estimate of the mask's IoU (which may lie slightly outside [0, 1]).
    """

    prompt_id: str
    label: str
    score: float
    box: Box
    mask: np.ndarray

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(
                f"a mask must be bool [H, W], got {self.mask.dtype} {list(self.mask.shape)}"
            )
        if not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, got {self.score}")

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.mask.shape)
