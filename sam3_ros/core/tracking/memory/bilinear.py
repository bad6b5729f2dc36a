"""Bilinear resizing to the weights of PyTorch, which the memories of every tracker were made with.

The places between pixels are computed in float32 there. OpenCV rounds them otherwise, by up to 3e-5
of a pixel at 1008 px: enough to move a memory further than all other rounding does together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Floats

Indices: TypeAlias = npt.NDArray[np.intp]


def resized_bilinearly(values: Floats, size: ImageSize) -> Floats:
    """Resize f32[h,w] between pixel centres, without antialiasing.

    As torch.nn.functional.interpolate does it with align_corners=False (ATen, UpSampleKernel.cpp).
    """
    if values.shape == tuple(size):
        return values
    left, right, share = _neighbours(values.shape[1], size.width)
    wide = values[:, left] * (1 - share)
    wide += values[:, right] * share
    top, bottom, share = _neighbours(values.shape[0], size.height)
    tall = wide[top] * (1 - share)[:, None]
    tall += wide[bottom] * share[:, None]
    return np.asarray(tall, np.float32)


@lru_cache(maxsize=32)
def _neighbours(old: int, new: int) -> tuple[Indices, Indices, Floats]:
    """Return the two old pixels of each new one, and the share of the second."""
    scale = np.float32(old) / np.float32(new)
    # One rounding, of the product and the difference together.
    exact = np.float64(scale) * (np.arange(new) + 0.5) - 0.5
    place = np.maximum(exact.astype(np.float32), np.float32(0))
    first = np.minimum(place.astype(np.intp), old - 1)
    share = np.clip(place - first.astype(np.float32), 0, 1).astype(np.float32)
    return first, np.minimum(first + 1, old - 1), share
