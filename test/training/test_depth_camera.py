"""A depth camera of structured light: what it measures of a box before a wall, and what not."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.training.tabletop.depth_camera import DepthCamera

WALL, BOX = 1.0, 0.7
CAMERA = DepthCamera(focal=290.0)


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    depth = np.full((120, 160), WALL)
    depth[40:80, 60:100] = BOX
    return depth


@pytest.fixture(scope="module")
def measured(depth: np.ndarray) -> np.ndarray:
    return CAMERA.measure(depth, np.random.default_rng(0))


def test_it_measures_whole_millimetres_within_its_steps(depth, measured) -> None:
    assert measured.dtype == np.uint16
    inside = np.zeros(depth.shape, np.bool_)
    inside[44:76, 64:96] = inside[:30] = True
    off = np.abs(measured / 1000 - depth)[inside & (measured > 0)]
    step = WALL**2 / (CAMERA.focal * CAMERA.baseline) * CAMERA.step
    assert 0 < off.mean() < step
    assert off.max() < 2.5 * step


def test_a_shadow_lies_on_one_side_of_what_is_near(measured) -> None:
    lost = measured[45:75] == 0
    width = round(CAMERA.focal * CAMERA.baseline * (1 / BOX - 1 / WALL))  # px of disparity
    assert lost[:, 60 - width + 1 : 59].mean() > 0.9
    assert lost[:, 103:].mean() < 0.05
    assert lost[:, 64:96].mean() < 0.05


def test_what_is_too_far_too_near_or_turned_away_has_no_depth() -> None:
    far, near = np.full((40, 40), CAMERA.farthest + 0.2), np.full((40, 40), CAMERA.nearest - 0.05)
    # A floor that is seen so flatly that its distance grows by 3 % a row.
    flat = np.full((40, 40), 0.42) * 1.03 ** np.arange(40)[:, None]
    for depth in (far, near, flat):
        assert (CAMERA.measure(depth, np.random.default_rng(1)) == 0).mean() > 0.95


def test_holes_are_few(depth) -> None:
    wall = np.full(depth.shape, WALL)
    without = DepthCamera(focal=290.0, holes=0.0).measure(wall, np.random.default_rng(2))
    assert (without > 0).all()
    assert 0 < (CAMERA.measure(wall, np.random.default_rng(2)) == 0).mean() < 0.02
