"""The direction in which each pixel looks: computed once a camera, and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sam3_ros.core.space.camera import Distortion, PinholeCamera

Floats = npt.NDArray[np.float64]

#: The lens model is inverted until a pixel comes back to within this, px.
ACCURACY_PX = 1e-4
_MOST_STEPS = 30
# A 1080p camera has 16 MB of rays, which take a second where it has a lens. A camera of a node has
# them twice: at the size of its images and at that of smaller depth.
_CAMERAS_KEPT = 16


@dataclass(frozen=True, eq=False)
class Rays:
    """Where each pixel's ray is at z = 1. The point at depth z is (x z, y z, z)."""

    #: float32 [H, W]; NaN where no direction in front of the lens is seen at that pixel.
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]


@lru_cache(maxsize=_CAMERAS_KEPT)
def rays_of(camera: PinholeCamera) -> Rays:
    """Return the rays through the pixels' centres, without the lens's distortion."""
    height, width = camera.size
    x = (np.arange(width) - camera.cx) / camera.fx
    y = (np.arange(height) - camera.cy) / camera.fy
    across, down = np.meshgrid(x, y)
    if any(camera.coefficients):
        across, down = _undistorted(across, down, camera)
    rays = Rays(across.astype(np.float32), down.astype(np.float32))
    rays.x.setflags(write=False)
    rays.y.setflags(write=False)
    return rays


def _undistorted(x_seen: Floats, y_seen: Floats, camera: PinholeCamera) -> tuple[Floats, Floats]:
    """Invert the lens model by Newton's method; NaN where it has no inverse that joins the middle.

    Past the radius where the model turns back, other directions come to the same pixel; they are
    told by a determinant that is not positive.
    """
    coefficients = _eight(camera)
    x, y = x_seen.copy(), y_seen.copy()
    accuracy = ACCURACY_PX / max(camera.fx, camera.fy)
    with np.errstate(all="ignore"):
        for _ in range(_MOST_STEPS):
            (x_now, y_now), (xx, xy, yx, yy) = _distorted(x, y, coefficients)
            x_off, y_off = x_now - x_seen, y_now - y_seen
            determinant = xx * yy - xy * yx
            good = (np.hypot(x_off, y_off) <= accuracy) & (determinant > 0)
            if good.all():
                break
            # Half of the way at most, in directions of about 1: from far off Newton overshoots.
            x_step = (yy * x_off - xy * y_off) / determinant
            y_step = (xx * y_off - yx * x_off) / determinant
            shorter = np.minimum(1.0, 0.5 / np.maximum(np.hypot(x_step, y_step), 1e-12))
            x -= np.where(good, 0.0, x_step * shorter)
            y -= np.where(good, 0.0, y_step * shorter)
    return np.where(good, x, np.nan), np.where(good, y, np.nan)


def _eight(camera: PinholeCamera) -> tuple[float, ...]:
    """Return k1, k2, p1, p2, k3, k4, k5, k6."""
    given = camera.coefficients
    assert len(given) == 8 or camera.model is Distortion.PLUMB_BOB
    return (*given, *[0.0] * (8 - len(given)))


def _distorted(
    x: Floats, y: Floats, coefficients: tuple[float, ...]
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats, Floats, Floats]]:
    """Return where directions are seen, and the derivatives: of x by x and y, of y by x and y.

    The model of OpenCV's calib3d: radial terms as a ratio of polynomials, and tangential ones.
    """
    k1, k2, p1, p2, k3, k4, k5, k6 = coefficients
    r2 = x * x + y * y
    above = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    below = 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
    radial = above / below
    above_by_r2 = k1 + r2 * (2 * k2 + r2 * 3 * k3)
    below_by_r2 = k4 + r2 * (2 * k5 + r2 * 3 * k6)
    by_r2 = (above_by_r2 - radial * below_by_r2) / below
    x_seen = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    y_seen = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    xx = radial + 2 * x * x * by_r2 + 2 * p1 * y + 6 * p2 * x
    mixed = 2 * x * y * by_r2 + 2 * p1 * x + 2 * p2 * y
    yy = radial + 2 * y * y * by_r2 + 6 * p1 * y + 2 * p2 * x
    return (x_seen, y_seen), (xx, mixed, mixed, yy)
