"""Where the next click goes: into the middle of what is wrong, as a person would correct it.

The protocol is that of EfficientViT-SAM's evaluation (Zhang et al., arXiv 2402.05008; its code in
mit-han-lab/efficientvit, applications/efficientvit_sam), which took it from RITM (Sofiiuk et al.,
arXiv 2102.06583): the pixel that lies deepest in what is missing, or in what is too much, whichever
is deeper. The first click is so the object's middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import Point
from sam3_ros.core.segmenter.prompts import InteractivePrompt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Click:
    """A click into a picture."""

    #: The middle of a pixel.
    point: Point
    is_positive: bool


def next_click(true: Mask, answered: Mask, clicked: tuple[Click, ...]) -> Click | None:
    """Return the next click; None where nothing is wrong but pixels that were clicked before.

    true, answered: bool [H, W]. The edge of the picture counts as outside.
    """
    missing = _depth(true & ~answered)
    surplus = _depth(~true & answered)
    for click in clicked:
        place = int(click.point.y), int(click.point.x)
        missing[place] = surplus[place] = 0
    deeper = missing if missing.max() > surplus.max() else surplus
    if not deeper.max():
        return None
    row, column = np.unravel_index(int(np.argmax(deeper)), deeper.shape)
    return Click(Point(float(column) + 0.5, float(row) + 0.5), deeper is missing)


def prompt_of(clicks: tuple[Click, ...]) -> InteractivePrompt:
    """Return the prompt that has these clicks."""
    return InteractivePrompt(
        points=tuple(each.point for each in clicks),
        point_labels=tuple(int(each.is_positive) for each in clicks),
    )


def _depth(mask: Mask) -> npt.NDArray[np.float32]:
    """Return how far each pixel is from the next one outside of the mask, px; 0 outside."""
    framed = np.pad(mask, 1).astype(np.uint8)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inside: npt.NDArray[np.float32] = np.array(depth[1:-1, 1:-1], np.float32)
    return inside
