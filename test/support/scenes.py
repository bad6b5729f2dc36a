"""Images for the bundles of bundles.py: coloured patches on grey."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

RGB = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (40, 50, 220),
    "yellow": (230, 220, 40),
}
GREY = 128

Corners = tuple[int, int, int, int]


def colour_scene(
    height: int, width: int, patches: Mapping[str, Corners | list[Corners]]
) -> npt.NDArray[np.uint8]:
    """Return u8[height,width,3], RGB, with patches: x_min, y_min, x_max, y_max in px, or a list.

    Keep patches clear of the vertical middle: the models tell instances by left and right.
    """
    image = np.full((height, width, 3), GREY, np.uint8)
    for colour, corners in patches.items():
        for x_min, y_min, x_max, y_max in corners if isinstance(corners, list) else [corners]:
            image[y_min:y_max, x_min:x_max] = RGB[colour]
    return image


def patch_mask(height: int, width: int, corners: Corners) -> npt.NDArray[np.bool_]:
    """Return bool[height,width]: True on the patch."""
    mask = np.zeros((height, width), np.bool_)
    x_min, y_min, x_max, y_max = corners
    mask[y_min:y_max, x_min:x_max] = True
    return mask


def iou(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks; 1 for two empty ones."""
    union = np.logical_or(one, other).sum()
    return float(np.logical_and(one, other).sum() / union) if union else 1.0
