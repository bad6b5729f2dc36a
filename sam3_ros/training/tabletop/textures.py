"""Procedural textures for tables and floors: wood, cloth, stone, checks, plain."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256


def random_texture(rng: np.random.Generator) -> bytes:
    """Return a PNG (uint8 RGB, SIDE x SIDE) of a random kind, in muted colours."""
    base, other = _muted_colour(rng), _muted_colour(rng)
    kinds = (_wood, _cloth, _stone, _checks, _plain)
    kind = kinds[rng.choice(len(kinds))]
    blend = np.clip(kind(rng), 0.0, 1.0)[..., None]
    contrast = rng.uniform(0.2, 1.0)
    picture = base + (other - base) * blend * contrast
    picture = picture + rng.normal(0.0, rng.uniform(0.0, 0.03), picture.shape)
    rgb = (np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def _muted_colour(rng: np.random.Generator) -> np.ndarray:
    # Low saturation: no part of a table as large as an object may have a named colour.
    value, saturation, hue = rng.uniform(0.15, 0.9), rng.uniform(0.0, 0.35), rng.uniform(0, 180)
    hsv = np.array([[[hue, saturation * 255, value * 255]]], np.uint8)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64) / 255


def _smooth_noise(rng: np.random.Generator, cells_y: int, cells_x: int) -> np.ndarray:
    coarse = rng.random((cells_y, cells_x)).astype(np.float32)
    return cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _wood(rng: np.random.Generator) -> np.ndarray:
    grain = _smooth_noise(rng, int(rng.integers(3, 6)), int(rng.integers(40, 90)))
    wave = _smooth_noise(rng, 4, 4) * rng.uniform(2, 6)
    rings = 0.5 + 0.5 * np.sin(np.linspace(0, rng.uniform(10, 60), SIDE)[None, :] + wave * 3)
    return 0.6 * grain + 0.4 * rings


def _cloth(rng: np.random.Generator) -> np.ndarray:
    period = rng.integers(3, 24)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    stripes = (np.sin(2 * np.pi * x / period) > 0) * 0.5
    return stripes + (np.sin(2 * np.pi * y / period) > 0) * rng.choice([0.0, 0.5])


def _stone(rng: np.random.Generator) -> np.ndarray:
    octaves = [_smooth_noise(rng, 2**k + 2, 2**k + 2) / 2 ** (k - 3) for k in range(3, 7)]
    return sum(octaves) / 1.9 - 0.1


def _checks(rng: np.random.Generator) -> np.ndarray:
    period = rng.integers(24, 96)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return ((x // period + y // period) % 2).astype(np.float64)


def _plain(rng: np.random.Generator) -> np.ndarray:
    return _smooth_noise(rng, 3, 3) * rng.uniform(0.0, 0.3)
