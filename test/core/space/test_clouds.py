"""Clouds: the bytes that readers of PointCloud2 find."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from solids import Ball, Block, View, segment

from sam3_ros import DepthImage, PinholeCamera, lift
from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.clouds import (
    OBJECT_POINT,
    POINT,
    objects_cloud,
    organised_points,
    scene_cloud,
)

WIDE = PinholeCamera(100.0, 50.0, 3.0, 1.0, (4, 8))


@pytest.fixture(scope="module")
def view() -> View:
    return View([Ball((-0.12, 0.0, 0.05), 0.05), Block((0.1, 0.02, 0.04), (0.12, 0.06, 0.08))])


def some_picture(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


def test_the_bytes_are_those_of_pcl() -> None:
    z = np.zeros((4, 8), np.uint16)
    z[3, 5] = 2000
    picture = some_picture((4, 8))
    picture[3, 5] = (255, 128, 7)  # with 0xff before them, these bits would be NaN
    cloud = organised_points(DepthImage(z), WIDE, picture)
    assert cloud.shape == (4, 8)
    data = cloud.tobytes()
    assert len(data) == 4 * 8 * 16
    x, y, depth, rgb = struct.unpack_from("<fffI", data, (3 * 8 + 5) * 16)
    assert (x, y, depth) == pytest.approx((2 * (5 - 3) / 100, 2 * (3 - 1) / 50, 2.0))
    assert rgb == 0x00FF8007
    others = np.delete(cloud.ravel(), 3 * 8 + 5)
    for name in "xyz":
        assert np.isnan(others[name]).all()


def test_fields_lie_where_their_names_say() -> None:
    offsets = {name: OBJECT_POINT.fields[name][1] for name in OBJECT_POINT.names}
    assert offsets == {"x": 0, "y": 4, "z": 8, "rgb": 12, "label": 16, "track": 20}
    assert (POINT.itemsize, OBJECT_POINT.itemsize) == (16, 24)


def test_points_of_the_pictures_size_come_from_smaller_depth() -> None:
    small = DepthImage(np.array([[1000, 0], [3000, 2000]], np.uint16))
    camera = PinholeCamera(10, 10, 1.5, 1.5, (4, 4))
    cloud = organised_points(small, camera, size=(4, 4))
    np.testing.assert_array_equal(np.isnan(cloud["z"][:2, 2:]), True)
    np.testing.assert_allclose(cloud["z"][2:, :2], 3)
    np.testing.assert_allclose(cloud["x"][2], [-0.45, -0.15, 0.1, 0.3], rtol=1e-6)
    with pytest.raises(SpaceError, match="one size, or depth smaller"):
        organised_points(small, camera, size=(5, 4))


def test_where_a_lens_sees_nothing_there_is_no_point() -> None:
    folded = PinholeCamera(100, 100, 79.5, 59.5, (120, 160), coefficients=(-0.4, 0, 0, 0))
    depth = DepthImage(np.ones((120, 160), np.float32))
    cloud = organised_points(depth, folded)
    assert np.isnan(cloud["z"][0, 0])
    assert np.isfinite(cloud["z"][60, 80])
    assert np.isfinite(scene_cloud([], depth, folded).view(np.float32)).all()


def test_the_objects_cloud_has_each_objects_points(view: View) -> None:
    ball, block = view.mask(1), view.mask(2)
    segments = [segment(ball, track=41, prompt="ball"), segment(block, prompt="block")]
    depth = DepthImage(np.round(view.z * 1000).astype(np.uint16))
    objects = lift(segments, depth, view.camera)
    picture = some_picture(view.z.shape)
    cloud = objects_cloud(objects, depth, view.camera, {"ball": 3, "block": 9}, picture)
    assert len(cloud) == objects[0].valid_pixels + objects[1].valid_pixels
    balls = cloud[cloud["track"] == 41]
    assert set(balls["label"]) == {3}
    assert set(cloud["label"][cloud["track"] == 0]) == {9}
    from_middle = np.stack([balls[name] for name in "xyz"], axis=1) @ view.axes + view.origin
    radii = np.linalg.norm(from_middle - [-0.12, 0, 0.05], axis=1)
    np.testing.assert_allclose(radii, 0.05, atol=0.004)
    red, green, blue = picture.reshape(-1, 3)[objects[0].pixels[0]]
    assert balls["rgb"][:1].view(np.uint32)[0] == (int(red) << 16) + (int(green) << 8) + int(blue)
    points = organised_points(depth, view.camera, picture)
    again = objects_cloud(objects, depth, view.camera, {"ball": 3, "block": 9}, points=points)
    np.testing.assert_array_equal(again, cloud)
    with pytest.raises(ValueError, match=r"no label value for the prompts \['block'\]"):
        objects_cloud(objects, depth, view.camera, {"ball": 3})


def test_no_objects_are_an_empty_cloud(view: View) -> None:
    depth = DepthImage(view.z.astype(np.float32))
    cloud = objects_cloud((), depth, view.camera, {})
    assert (cloud.shape, cloud.dtype) == ((0,), OBJECT_POINT)


def test_the_scenes_cloud_is_the_rest_without_the_rim(view: View) -> None:
    depth = DepthImage(view.z.astype(np.float32))
    cloud = scene_cloud(view.segments(), depth, view.camera)
    points = np.stack([cloud[name] for name in "xyz"], axis=1) @ view.axes + view.origin
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-4)
    whole = scene_cloud([], depth, view.camera)
    masked = (view.labels > 0).sum()
    assert masked < len(whole) - len(cloud) < 1.3 * masked
    assert len(whole) == view.z.size
    points_there = organised_points(depth, view.camera)
    again = scene_cloud(view.segments(), depth, view.camera, points=points_there)
    np.testing.assert_array_equal(again, cloud)
    with pytest.raises(SpaceError, match="points of the depth image's size"):
        scene_cloud([], depth, view.camera, points=points_there[1:])


def test_a_mask_at_the_corner_is_taken_out_of_smaller_depth() -> None:
    mask = np.zeros((8, 16), bool)
    mask[:3, :3] = True
    depth = DepthImage(np.ones((4, 8), np.float32))
    cloud = scene_cloud([segment(mask)], depth, WIDE)
    # Two rows and columns of the depth image, and one more for the rim.
    assert len(cloud) == 4 * 8 - 3 * 3


def test_a_picture_that_is_none_is_refused() -> None:
    depth = DepthImage(np.ones((4, 8), np.float32))
    with pytest.raises(SpaceError, match=r"uint8 RGB \[H, W, 3\], got uint8 \[4, 8\]"):
        organised_points(depth, WIDE, np.zeros((4, 8), np.uint8))
