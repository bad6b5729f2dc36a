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
    weight = surface.astype(np.float32)
    level = np.where(surface, z - middle, np.float32(0))
    u = np.arange(width, dtype=np.float32) - np.float32(width / 2)
    v = (np.arange(height, dtype=np.float32) - np.float32(height / 2))[:, None]
    weight_u, weight_v = weight * u, weight * v
    # Of one array of several channels: one call instead of nine.
    first = cv2.merge([weight, weight_u, weight_v, level])
    second = cv2.merge([weight_u * u, weight_v * v, weight_u * v, level * u])
    square = (window, window)
    first = cv2.blur(first, square, borderType=cv2.BORDER_CONSTANT)
    second = cv2.blur(second, square, borderType=cv2.BORDER_CONSTANT)
    third = cv2.blur(level * v, square, borderType=cv2.BORDER_CONSTANT)
    scale = 1 / np.maximum(first[..., 0], np.float32(1e-6))
    u_mean, v_mean, z_mean = (first[..., place] * scale for place in (1, 2, 3))
    uu = second[..., 0] * scale - u_mean * u_mean + np.float32(_STIFFNESS)
    vv = second[..., 1] * scale - v_mean * v_mean + np.float32(_STIFFNESS)
    uv = second[..., 2] * scale - u_mean * v_mean
    uz = second[..., 3] * scale - u_mean * z_mean
    vz = third * scale - v_mean * z_mean
    determinant = uu * vv - uv * uv
    along_u = (vv * uz - uv * vz) / determinant
    along_v = (uu * vz - uv * uz) / determinant
    fitted = z_mean + along_u * (u - u_mean) + along_v * (v - v_mean) + middle
    return np.where(surface, fitted, z)
