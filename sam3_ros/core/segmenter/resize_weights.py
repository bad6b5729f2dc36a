"""A resize as two matrices: how much each source row and column counts for each target one.

The target is rows @ image @ columns.T, which a GPU computes faster than a CPU resizes. The weights
are those of the library that the model's preprocessing names, before it rounds them: Pillow and
OpenCV compute in fixed point and round to whole levels, so they differ by up to one level.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.pixels import Interpolation

Weights = npt.NDArray[np.float32]


class ResizeWeights(NamedTuple):
    """The matrices of a resize into the top left of a frame; rows of zeros are padding."""

    #: f32[frame height, source height]
    rows: Weights
    #: f32[frame width, source width]
    columns: Weights


def resize_weights(
    source: ImageSize, content: ImageSize, frame: ImageSize, interpolation: Interpolation
) -> ResizeWeights:
    """Return the matrices that resize an image from `source` to `content`, padded to `frame`."""
    shrinks = content.height <= source.height and content.width <= source.width
    weights = {
        "bilinear": _between_centres,
        "bilinear_antialias": _antialiased,
        # OpenCV takes means of areas only where the image grows in neither direction.
        "area": _mean_of_area if shrinks else _enlarged_by_area,
    }[interpolation]
    return ResizeWeights(
        *(
            _padded(weights(*sizes), padded)
            for *sizes, padded in zip(source, content, frame, strict=True)
        )
    )


def _padded(weights: npt.NDArray[np.float64], size: int) -> Weights:
    whole = np.zeros((size, weights.shape[1]), np.float32)
    whole[: len(weights)] = weights
    return whole


def _between_centres(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return [new, old]: linear between pixel centres (OpenCV, resize.cpp, INTER_LINEAR)."""
    at = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return _of_two(at, old)


def _enlarged_by_area(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return [new, old]: what OpenCV does for INTER_AREA where it enlarges (resize.cpp)."""
    target = np.arange(new)
    first = np.floor(target * (old / new))
    share = (target + 1) - (first + 1) * (new / old)
    share = np.where(share <= 0, 0.0, share - np.floor(share))
    return _of_two(np.clip(first + share, 0, old - 1), old)


def _of_two(at: npt.NDArray[np.float64], old: int) -> npt.NDArray[np.float64]:
    """Return the weights of the two pixels beside each place, counted in whole pixels."""
    apart = np.abs(at[:, None] - np.arange(old))
    return np.asarray(np.maximum(1 - apart, 0), np.float64)


def _mean_of_area(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return [new, old]: the share of each pixel that a target pixel covers (INTER_AREA)."""
    edges = np.arange(new + 1) * (old / new)
    pixel = np.arange(old)
    end = np.minimum(edges[1:, None], pixel + 1)
    begin = np.maximum(edges[:-1, None], pixel)
    return _normalised(np.maximum(end - begin, 0))


def _antialiased(old: int, new: int) -> npt.NDArray[np.float64]:
    """Return [new, old]: a triangle as wide as a target pixel (Pillow, Resample.c, BILINEAR)."""
    scale = old / new
    reach = max(scale, 1.0)
    centre = (np.arange(new)[:, None] + 0.5) * scale
    return _normalised(np.maximum(1 - np.abs(np.arange(old) + 0.5 - centre) / reach, 0))


def _normalised(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)
