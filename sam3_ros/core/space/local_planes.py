"""Noise taken from a surface, without moving its edges."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.space.order_statistics import median

Floats = npt.NDArray[np.float32]

# Of the noise, in the distance between neighbouring points: below it there is nothing to gain.
_SMOOTH, _NOISY = 0.3, 1.5
# Added to the spread of the window's pixels, px^2: where they lie on a line, the slope across is 0.
_STIFFNESS = 0.15


def without_noise(z: Floats, surface: Mask, noise: float, step: float) -> Floats:
    """Return z with a plane fitted around each pixel of the surface, float32 [h, w].

    noise: standard deviation of z, m. step: distance between neighbouring points, m. A mean would
    draw in the edges of what recedes, and with them the ends of the object's box.
    """
    roughness = noise / step
    if roughness < _SMOOTH:
        return z
    return _fitted(z, surface, 5 if roughness < _NOISY else 7)


def _fitted(z: Floats, surface: Mask, window: int) -> Floats:
    """Return the least-squares plane of each square window at its middle, by sums over windows."""
    height, width = z.shape
    middle = np.float32(median(z[surface]))
    u = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    v = (np.arange(height, dtype=np.float32) - np.float32(height / 2))[:, None]
    # Filled and summed in place: new arrays of this size cost more than the arithmetic.
    sums = np.empty((9, height, width), np.float32)
    weight, at_u, at_v, level, uu, vv, uv, uz, vz = sums
    weight[...] = surface
    level[...] = np.where(surface, z - middle, np.float32(0))
    for product, one, other in (
        (at_u, weight, u),
        (at_v, weight, v),
        (uu, at_u, u),
        (vv, at_v, v),
        (uv, at_u, v),
        (uz, level, u),
        (vz, level, v),
    ):
        np.multiply(one, other, out=product)
    for part in sums:
        cv2.blur(part, (window, window), dst=part, borderType=cv2.BORDER_CONSTANT)
    scale = 1 / np.maximum(weight, np.float32(1e-6))
    sums[1:] *= scale
    uu -= at_u * at_u - np.float32(_STIFFNESS)
    vv -= at_v * at_v - np.float32(_STIFFNESS)
    uv -= at_u * at_v
    uz -= at_u * level
    vz -= at_v * level
    determinant = uu * vv - uv * uv
    along_u = (vv * uz - uv * vz) / determinant
    along_v = (uu * vz - uv * uz) / determinant
    fitted = level + along_u * (u - at_u) + along_v * (v - at_v) + middle
    return np.where(surface, fitted, z)
