"""Oriented boxes around points."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.space.orientation import quaternion_of
from sam3_ros.core.space.spatial_object import BoxStance, OrientedBox

Floats = npt.NDArray[np.float64]


def standing_box(points: Floats, up: Floats, stance: BoxStance, least: float) -> OrientedBox:
    """Return the smallest box around points [N, 3], m, whose z axis is `up` (of length 1).

    Its x axis is the longer side across, and points to the right of the frame. No side is shorter
    than `least`, m.
    """
    one = np.cross(up, [0.0, 0.0, 1.0] if abs(up[2]) < 0.9 else [1.0, 0.0, 0.0])
    one /= np.linalg.norm(one)
    other = np.cross(up, one)
    across = np.stack([points @ one, points @ other], axis=1).astype(np.float32)
    middle = across.mean(axis=0)
    corners = cv2.boxPoints(cv2.minAreaRect(across - middle)).astype(np.float64)
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    longer = first if first @ first >= second @ second else second
    length = float(np.linalg.norm(longer))
    # All points in one place, or on one line along `up`: any direction is as good.
    side = longer / length if length > 0 else np.array([1.0, 0.0])
    x_axis = side[0] * one + side[1] * other
    if x_axis[0] < 0:
        x_axis = -x_axis
    axes = np.stack([x_axis, np.cross(up, x_axis), up], axis=1)
    inside = points @ axes
    low, high = inside.min(axis=0), inside.max(axis=0)
    size = np.maximum(high - low, least)
    return OrientedBox(axes @ ((low + high) / 2), size, quaternion_of(axes), stance)


def free_box(points: Floats, least: float) -> OrientedBox:
    """Return the smallest of the boxes along the points' principal axes."""
    off = points - points.mean(axis=0)
    axes = np.linalg.eigh(off.T @ off)[1].T
    boxes = [standing_box(points, axis, BoxStance.OWN_AXES, least) for axis in axes]
    return min(boxes, key=lambda box: float(np.prod(box.size)))
