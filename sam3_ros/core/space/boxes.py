"""Oriented boxes around points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.space.orientation import cross, quaternion_of
from sam3_ros.core.space.spatial_object import BoxStance, OrientedBox

Floats = npt.NDArray[np.float64]
#: Single precision is a ten-thousandth of a millimetre.
Points = npt.NDArray[np.floating[Any]]

_CLEARLY_SMALLER = 0.95
_ANGLES = np.arange(40) * (2 * np.pi / 40)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1).astype(np.float32)


def standing_box(points: Points, up: Floats, stance: BoxStance, least: float) -> OrientedBox:
    """Return the smallest box around points [3, N], m, whose z axis is `up` (of length 1).

    Its sides lie across the view unless another way is clearly smaller: what is round would turn
    with every grain of noise. Its x axis is the longer side, and points to the right of the frame.
    No side is shorter than `least`, m.
    """
    # The frame's x axis lies across the view; along it, any direction is as good.
    right = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    one = right - (right @ up) * up
    one /= np.linalg.norm(one)
    other = cross(up, one)
    side = _longer_side(np.stack([one, other]) @ points)
    x_axis = side[0] * one + side[1] * other
    if x_axis[0] < 0:
        x_axis = -x_axis
    axes = np.stack([x_axis, cross(up, x_axis), up], axis=1)
    inside = axes.T @ points
    low, high = inside.min(axis=1), inside.max(axis=1)
    size = np.maximum(high - low, least)
    return OrientedBox(axes @ ((low + high) / 2), size, quaternion_of(axes), stance)


def _longer_side(points: Points) -> Floats:
    """Return the direction of the longer side of the rectangle around points [2, N]."""
    width, height = np.ptp(points, axis=1)
    along = np.array([1.0, 0.0]) if width >= height else np.array([0.0, 1.0])
    hull = _outermost(points)
    turned = cv2.minAreaRect((hull - hull.mean(axis=0)).astype(np.float32))
    if width * height * _CLEARLY_SMALLER <= turned[1][0] * turned[1][1]:
        return along
    corners = cv2.boxPoints(turned).astype(np.float64)
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    longer: Floats = first if first @ first >= second @ second else second
    direction: Floats = longer / np.linalg.norm(longer)
    return direction


def _outermost(points: Points) -> Points:
    """Return those of points [2, N] that are furthest in some direction, [n, 2]: their hull."""
    hull: Points = points[
        :, np.argmax(_DIRECTIONS @ points.astype(np.float32, copy=False), axis=1)
    ].T
    return hull


def let_down(box: OrientedBox, up: Floats, offset: float, near: float) -> OrientedBox:
    """Return a box along `up` that ends on the plane up . p = offset if it ends near it, m."""
    begins = float(up @ box.centre) - float(box.size[2]) / 2 - offset
    if abs(begins) > near or box.size[2] + begins <= 0:
        return box
    size = box.size + np.array([0.0, 0.0, begins])
    return replace(box, centre=box.centre - up * (begins / 2), size=size)


def free_box(points: Points, least: float) -> OrientedBox:
    """Return the smallest of the boxes along the points' principal axes."""
    off = (points - points.mean(axis=1, keepdims=True)).astype(np.float64)
    axes = np.linalg.eigh(off @ off.T)[1].T
    boxes = [standing_box(points, axis, BoxStance.OWN_AXES, least) for axis in axes]
    return min(boxes, key=lambda box: float(np.prod(box.size)))
