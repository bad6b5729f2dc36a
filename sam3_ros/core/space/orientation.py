"""Rotations as unit quaternions x, y, z, w, the order of geometry_msgs."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Rotation = npt.NDArray[np.float64]


def matrix_of(quaternion: Rotation) -> Rotation:
    """Return the matrix float64 [3, 3] of a unit quaternion."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(matrix: Rotation) -> Rotation:
    """Return the unit quaternion of a rotation matrix float64 [3, 3], w not negative.

    From the largest of its four squares, which is never near 0 (S. W. Shepperd, 1978).
    """
    # Python's own numbers: numpy's take ten times as long one by one.
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    squares = (1 + a - e - i, 1 - a + e - i, 1 - a - e + i, 1 + a + e + i)
    columns = (
        (squares[0], b + d, c + g, h - f),
        (b + d, squares[1], f + h, c - g),
        (c + g, f + h, squares[2], d - b),
        (h - f, c - g, d - b, squares[3]),
    )
    found = columns[squares.index(max(squares))]
    length = math.copysign(math.hypot(*found), found[3])
    return np.array(found) / length


def product_of(one: Rotation, other: Rotation) -> Rotation:
    """Return the quaternion that turns by `other` first and by `one` then."""
    x1, y1, z1, w1 = one
    x2, y2, z2, w2 = other
    return np.array(
        [
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        ]
    )


def cross(one: Rotation, other: Rotation) -> Rotation:
    """Return the cross product of two vectors float64 [3]; numpy's is slow for single ones."""
    a, b, c = one.tolist()
    d, e, f = other.tolist()
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])
