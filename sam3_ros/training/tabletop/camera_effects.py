"""The effects of a cheap camera: exposure, white balance, blur, noise."""

from __future__ import annotations

import cv2
import numpy as np


def photograph(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the image, uint8 RGB [H,W,3], as a camera of 640 columns scaled to W might see it."""
    scale = rgb.shape[1] / 640
    picture = rgb.astype(np.float32) / 255
    picture *= rng.uniform(0.92, 1.08, 3).astype(np.float32)  # white balance
    picture = np.clip(picture * np.float32(rng.uniform(0.75, 1.25)), 0, 1)
    picture **= np.float32(rng.uniform(0.8, 1.25))
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.6) * scale + 0.05))
    if rng.random() < 0.2:
        picture = _motion_blur(picture, int(rng.integers(2, 8) * scale) + 1, rng.uniform(0, np.pi))
    # The sensor makes the noise: averaging pixels to a smaller picture reduces it.
    sigma = rng.uniform(0.0, 0.03) * max(scale, 0.5)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(sigma)
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _motion_blur(picture: np.ndarray, length: int, angle: float) -> np.ndarray:
    kernel = np.zeros((length * 2 + 1, length * 2 + 1), np.float32)
    offset = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start = tuple(int(v) for v in np.round(length - offset))
    end = tuple(int(v) for v in np.round(length + offset))
    cv2.line(kernel, start, end, 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum())
