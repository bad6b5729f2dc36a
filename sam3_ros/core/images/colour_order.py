"""OpenCV's order of colours to ours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy.typing as npt

# Bytes. A small picture is faster into another array; a large one is not to be there twice.
_LARGE = 64_000_000


def rgb_of_bgr(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return BGR [H, W, 3] as RGB; a large picture is changed in its place."""
    target = pixels if pixels.nbytes > _LARGE else None
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=target)
