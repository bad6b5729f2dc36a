"""Rays through pixels, with the lens taken out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sam3_ros.core.space.camera import Distortion, PinholeCamera
from sam3_ros.core.space.rays import rays_of

LENSES = {
    "none": (Distortion.PLUMB_BOB, ()),
    "four": (Distortion.PLUMB_BOB, (-0.28, 0.07, 0.0012, -0.0008)),
    "webcam": (Distortion.PLUMB_BOB, (0.08, -0.16, -0.001, 0.002, 0.06)),
    "depth camera": (
        Distortion.RATIONAL_POLYNOMIAL,
        (0.45, -2.6, 0.0006, -0.0003, 1.5, 0.33, -2.4, 1.43),
    ),
}


def camera_with(lens: str) -> PinholeCamera:
    model, coefficients = LENSES[lens]
    return PinholeCamera(160, 155, 78.5, 61.0, (120, 160), "", model, coefficients)


@pytest.mark.parametrize("lens", LENSES)
def test_rays_are_seen_at_their_pixels_and_are_those_of_opencv(lens: str) -> None:
    camera = camera_with(lens)
    rays = rays_of(camera)
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    coefficients = np.array(camera.coefficients or (0.0,) * 4)
    pixels = np.stack(np.meshgrid(np.arange(160.0), np.arange(120.0)), -1).reshape(-1, 1, 2)
    ahead = np.stack([rays.x, rays.y, np.ones_like(rays.x)], -1).reshape(-1, 3).astype(float)
    seen, _ = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), matrix, coefficients)
    assert np.abs(seen - pixels).max() < 1e-3
    inverse = cv2.undistortPoints(pixels, matrix, coefficients)[:, 0]
    # OpenCV stops after a few rounds: its own accuracy is some hundredths of a pixel.
    assert np.abs(inverse - ahead[:, :2]).max() < 5e-4


def test_pixels_that_no_direction_is_seen_at_have_no_ray() -> None:
    # Seen radius r (1 - 0.4 r^2) is largest at r = 0.913, where it is 0.608.
    camera = PinholeCamera(
        100, 100, 79.5, 59.5, (120, 160), "", Distortion.PLUMB_BOB, (-0.4, 0, 0, 0)
    )
    rays = rays_of(camera)
    across = (np.arange(160) - 79.5) / 100
    seen_radius = np.hypot(*np.meshgrid(across, (np.arange(120) - 59.5) / 100))
    assert np.isnan(rays.x[seen_radius > 0.609]).all()
    assert np.isfinite(rays.x[seen_radius < 0.6]).all()
    assert np.nanmax(np.hypot(rays.x, rays.y)) < 0.914


def test_they_are_computed_once_and_are_not_written_to() -> None:
    rays = rays_of(camera_with("webcam"))
    assert rays_of(camera_with("webcam")) is rays
    with pytest.raises(ValueError, match="read-only"):
        rays.x[0, 0] = 1


def test_those_of_eight_cameras_at_two_sizes_are_kept() -> None:
    cameras = [PinholeCamera(50 + each, 50, 8, 6, (12, 16)) for each in range(8)]
    cameras += [each.scaled_to((6, 8)) for each in cameras]
    first = [rays_of(each) for each in cameras]
    assert all(rays_of(each) is kept for each, kept in zip(cameras, first, strict=True))
