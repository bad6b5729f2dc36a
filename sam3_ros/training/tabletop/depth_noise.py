"""Kinds of noise on exact depth, each by itself, for the table of errors.

depth_camera.py has a whole camera; here one fault is seen at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from sam3_ros.training.tabletop.depth_camera import DepthCamera

#: (exact z in m, float64 [H,W]; focal length in px; generator) -> z in m, 0 where none is measured.
Noise = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

# Of a stereo camera like the smaller of today: metres and px.
BASELINE, DISPARITY_NOISE, DISPARITY_STEP, WINDOW = 0.05, 0.1, 1 / 16, 5
GAUSSIAN = 0.005
_EDGE_OF_RANGE, _EDGE_WIDTH, _LOST_AT_EDGES = 0.02, 7, 0.7


def exact(z: np.ndarray, _focal: float, _rng: np.random.Generator) -> np.ndarray:
    """Return the depth as it is."""
    return z


def axial(z: np.ndarray, _focal: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise along the axis that grows with the square of the range, as structured light has.

    Its size is that which Nguyen et al., "Modeling Kinect Sensor Noise" (3DIMPVT 2012), measured.
    """
    return z + rng.standard_normal(z.shape) * (0.0012 + 0.0019 * (z - 0.4) ** 2)


def gaussian(z: np.ndarray, _focal: float, rng: np.random.Generator) -> np.ndarray:
    """Add noise of 5 mm, whatever the range."""
    return z + rng.standard_normal(z.shape) * GAUSSIAN


def stereo(z: np.ndarray, focal: float, rng: np.random.Generator) -> np.ndarray:
    """Return what stereo sees: disparities smeared over a window, with noise, in whole steps.

    At an edge the window holds near and far: depth in between, where nothing is.
    """
    disparity = cv2.blur(focal * BASELINE / z, (WINDOW, WINDOW))
    grain = cv2.blur(rng.standard_normal(z.shape), (3, 3)) * 3
    disparity = disparity + grain * DISPARITY_NOISE
    disparity = np.maximum(np.round(disparity / DISPARITY_STEP), 1) * DISPARITY_STEP
    return focal * BASELINE / disparity


def holes(z: np.ndarray, focal: float, rng: np.random.Generator) -> np.ndarray:
    """Return `axial` with most of what is within 3 px of an edge missing, and blots elsewhere."""
    square = np.ones((3, 3), np.uint8)
    edges = cv2.dilate(z, square) - cv2.erode(z, square) > _EDGE_OF_RANGE * z
    near = cv2.dilate(edges.astype(np.uint8), np.ones((_EDGE_WIDTH, _EDGE_WIDTH), np.uint8)) > 0
    blots = cv2.blur(rng.standard_normal(z.shape), (9, 9)) * 9 > 2
    lost = (near & (rng.random(z.shape) < _LOST_AT_EDGES)) | blots
    return np.where(lost, 0.0, axial(z, focal, rng))


def structured_light(z: np.ndarray, focal: float, rng: np.random.Generator) -> np.ndarray:
    """Return what the depth camera of the demo measures: all of it at once."""
    return DepthCamera(focal).measure(z, rng) / 1000.0


KINDS: dict[str, Noise] = {
    "exact": exact,
    "axial, growing with z²": axial,
    "Gaussian, 5 mm": gaussian,
    "stereo": stereo,
    "holes at edges": holes,
    "structured light": structured_light,
}
