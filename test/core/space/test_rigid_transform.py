"""Objects and clouds in another frame."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from solids import Block, View

from sam3_ros import DepthImage, lift
from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.clouds import organised_points
from sam3_ros.core.space.orientation import matrix_of, quaternion_of
from sam3_ros.core.space.rigid_transform import RigidTransform


@pytest.mark.parametrize("seed", range(8))
def test_quaternions_and_matrices_are_the_same_turns(seed: int) -> None:
    axis = np.random.default_rng(seed).normal(size=3)
    axis *= (seed * np.pi / 7) / np.linalg.norm(axis)  # to half a turn, where w is 0
    matrix = cv2.Rodrigues(axis)[0]
    quaternion = quaternion_of(matrix)
    np.testing.assert_allclose(matrix_of(quaternion), matrix, atol=1e-12)
    assert quaternion[3] >= 0


def test_an_object_is_where_its_points_are() -> None:
    view = View([Block((0.1, 0.02, 0.04), (0.12, 0.06, 0.08), 0.5)])
    depth = DepthImage(view.z.astype(np.float32))
    (block,) = lift(view.segments(), depth, view.camera)
    block = replace(block, velocity=np.array([0.0, 0.0, 1.0]), covariance=np.diag([1.0, 2, 3]))
    to_table = RigidTransform("table", view.origin, quaternion_of(view.axes.T))
    moved = to_table.of_object(block)
    assert moved.frame == "table"
    assert moved.centre is not None
    assert moved.box is not None
    assert moved.covariance is not None
    assert moved.velocity is not None
    np.testing.assert_allclose(moved.centre, [0.1, 0.02, 0.04], atol=0.004)
    np.testing.assert_allclose(moved.box.centre, moved.centre)
    turned = matrix_of(moved.box.quaternion)
    np.testing.assert_allclose(np.abs(turned[:, 2]), [0, 0, 1], atol=0.01)
    np.testing.assert_allclose(moved.velocity, view.axes[2], atol=1e-12)
    assert moved.covariance[0, 0] == pytest.approx(1)
    assert np.trace(moved.covariance) == pytest.approx(6)

    cloud = organised_points(depth, view.camera)
    there = to_table.of_cloud(cloud)
    np.testing.assert_allclose(there["z"][view.labels == 0], 0, atol=1e-5)
    assert there["z"].max() == pytest.approx(0.08, abs=0.001)
    assert np.isfinite(cloud["z"]).all()
    np.testing.assert_array_equal(there["rgb"], cloud["rgb"])


def test_what_has_no_place_only_changes_its_frame() -> None:
    view = View([Block((0.0, 0, 0.05), (0.1, 0.1, 0.1))])
    (block,) = lift(view.segments(), DepthImage(np.zeros((240, 320), np.float32)), view.camera)
    moved = RigidTransform("map", np.ones(3), np.array([0.0, 0, 0, 1])).of_object(block)
    assert (moved.frame, moved.centre) == ("map", None)


@pytest.mark.parametrize(
    ("translation", "quaternion", "words"),
    [
        ((0, 0, 0), (0, 0, 0, 0), "has the length 1"),
        ((0, 0, 0), (0, 0, 1, 1), "has the length 1"),
        ((0, np.nan, 0), (0, 0, 0, 1), "3 finite numbers"),
        ((0, 0, 0), (0, 0, 1), "4 finite numbers"),
    ],
)
def test_a_transform_that_is_none_is_refused(
    translation: tuple[float, ...], quaternion: tuple[float, ...], words: str
) -> None:
    with pytest.raises(SpaceError, match=words):
        RigidTransform("map", np.array(translation), np.array(quaternion))
