"""Objects lifted into space, against solids whose place is known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from solids import SMALL, Ball, Block, View, segment

from sam3_ros import DepthImage, PinholeCamera, lift
from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.orientation import matrix_of
from sam3_ros.core.space.spatial_object import BoxStance, DepthRemark, SpatialObject

BALL = Ball((-0.12, 0.0, 0.05), 0.05)
BLOCK = Block((0.1, 0.02, 0.04), (0.12, 0.06, 0.08), 0.5)


@pytest.fixture(scope="module")
def view() -> View:
    return View([BALL, BLOCK])


def millimetres(z: np.ndarray) -> DepthImage:
    return DepthImage(np.round(z * 1000).astype(np.uint16))


def the_only(objects: tuple[SpatialObject, ...]) -> SpatialObject:
    (lifted,) = objects
    return lifted


def place_in_world(view: View, lifted: SpatialObject) -> np.ndarray:
    assert lifted.centre is not None
    return view.in_world(lifted.centre)


@pytest.mark.parametrize("kind", ["metres", "millimetres"])
def test_a_block_whose_three_sides_are_seen_is_found_whole(view: View, kind: str) -> None:
    depth = DepthImage(view.z.astype(np.float32)) if kind == "metres" else millimetres(view.z)
    _, block = lift(view.segments(), depth, view.camera)
    np.testing.assert_allclose(place_in_world(view, block), BLOCK.centre, atol=0.004)
    assert block.box is not None
    np.testing.assert_allclose(block.box.size, BLOCK.size, atol=0.007)
    axes = view.axes.T @ matrix_of(block.box.quaternion)
    np.testing.assert_allclose(np.abs(axes[:, 2]), [0, 0, 1], atol=0.01)
    assert abs(axes[:2, 0] @ [np.cos(0.5), np.sin(0.5)]) == pytest.approx(1, abs=0.003)
    assert block.box.stance == BoxStance.PLANE
    assert block.frame == "camera_optical"
    assert block.remarks == ()
    assert block.quality > 0.9
    assert block.valid_pixels == len(block.pixels) > 0.9 * block.mask_pixels


def test_of_a_ball_the_half_that_is_seen_is_boxed(view: View) -> None:
    ball, _ = lift(view.segments(), DepthImage(view.z.astype(np.float32)), view.camera)
    assert ball.box is not None
    # Seen from 45 degrees it reaches as far up and across as it is, and 45 degrees round below.
    lowest = 0.05 - 0.05 * np.cos(np.pi / 4)
    np.testing.assert_allclose(ball.box.size[2], 0.1 - lowest, atol=0.008)
    np.testing.assert_allclose(ball.box.size[0], 0.1, atol=0.008)
    centre = place_in_world(view, ball)
    assert centre[0] == pytest.approx(-0.12, abs=0.003)
    assert centre[2] == pytest.approx((0.1 + lowest) / 2, abs=0.005)


def test_depth_is_along_the_axis_and_not_along_the_ray() -> None:
    # A wall across the axis: a thing at its edge has the wall's z, though it is further away.
    z = np.full((240, 320), 2.0, np.float32)
    mask = np.zeros((240, 320), bool)
    mask[100:140, 260:300] = True
    lifted = the_only(lift([segment(mask)], DepthImage(z), SMALL))
    assert lifted.centre is not None
    np.testing.assert_allclose(lifted.centre, [(279.5 - 159.5) / 150, 0, 2], atol=0.01)


def test_the_table_and_what_is_behind_in_a_mask_do_not_move_the_object(view: View) -> None:
    mask = cv2.dilate(view.mask(2).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    lifted = the_only(lift([segment(mask)], millimetres(view.z), view.camera))
    np.testing.assert_allclose(place_in_world(view, lifted), BLOCK.centre, atol=0.012)


def test_flying_pixels_at_the_edge_do_not_lengthen_the_box() -> None:
    near = Block((0.0, 0.0, 0.1), (0.1, 0.05, 0.2))
    view = View([near], elevation=0.3)
    smeared = cv2.blur(view.z, (3, 3)).astype(np.float32)
    lifted = the_only(lift(view.segments(), DepthImage(smeared), view.camera))
    assert lifted.box is not None
    np.testing.assert_allclose(lifted.box.size[[0, 2]], [0.1, 0.2], atol=0.012)
    # The top is seen as a strip of four pixels, most of them rim.
    assert 0.01 < lifted.box.size[1] < 0.055


def test_noise_is_taken_out_of_the_box(view: View) -> None:
    noisy = view.z + np.random.default_rng(1).normal(size=view.z.shape) * 0.004
    _, block = lift(view.segments(), DepthImage(noisy.astype(np.float32)), view.camera)
    assert block.box is not None
    np.testing.assert_allclose(block.box.size, BLOCK.size, atol=0.016)
    np.testing.assert_allclose(place_in_world(view, block), BLOCK.centre, atol=0.006)


def test_a_lens_changes_nothing_where_it_is_known() -> None:
    lens = PinholeCamera(300, 300, 159.5, 119.5, (240, 320), "", coefficients=(-0.2, 0.05, 0, 0))
    view = View([BLOCK], camera=lens)
    block = the_only(lift(view.segments(), millimetres(view.z), lens))
    np.testing.assert_allclose(place_in_world(view, block), BLOCK.centre, atol=0.004)


def test_depth_at_half_the_size_gives_the_same_place(view: View) -> None:
    half = DepthImage(view.z[::2, ::2].astype(np.float32))
    # Every second pixel's centre lies a quarter of a depth pixel up and left of the block's.
    _, block = lift(view.segments(), half, view.camera)
    np.testing.assert_allclose(place_in_world(view, block), BLOCK.centre, atol=0.008)


def test_without_a_plane_the_box_has_its_own_axes() -> None:
    view = View([BLOCK], table=False)
    block = the_only(lift(view.segments(), DepthImage(view.z.astype(np.float32)), view.camera))
    assert block.box is not None
    assert block.box.stance == BoxStance.OWN_AXES
    np.testing.assert_allclose(place_in_world(view, block), BLOCK.centre, atol=0.03)


def test_a_direction_that_is_given_is_that_of_the_box() -> None:
    view = View([BLOCK], table=False)
    depth = DepthImage(view.z.astype(np.float32))
    block = the_only(lift(view.segments(), depth, view.camera, tuple(3 * view.up)))
    assert block.box is not None
    assert block.box.stance == BoxStance.UP
    np.testing.assert_allclose(matrix_of(block.box.quaternion)[:, 2], view.up, atol=1e-9)
    np.testing.assert_allclose(block.box.size, BLOCK.size, atol=0.007)
    with pytest.raises(SpaceError, match="`up` is a direction"):
        lift(view.segments(), depth, view.camera, (0, 0, 0))


def test_a_sheet_on_the_table_is_not_taken_for_the_table() -> None:
    view = View([Block((0, 0, 0.001), (0.2, 0.15, 0.002))])
    sheet = the_only(lift(view.segments(), millimetres(view.z), view.camera))
    assert sheet.box is not None
    np.testing.assert_allclose(sheet.box.size[:2], [0.2, 0.15], atol=0.01)
    assert sheet.box.size[2] < 0.01


def remarks_of_changed(view: View, z: np.ndarray, mask: np.ndarray | None = None) -> SpatialObject:
    mask = view.mask(2) if mask is None else mask
    return the_only(lift([segment(mask)], DepthImage(z.astype(np.float32)), view.camera))


def test_glass_has_no_place(view: View) -> None:
    lifted = remarks_of_changed(view, np.where(view.mask(2), 0, view.z))
    assert lifted.remarks == (DepthRemark.NO_DEPTH,)
    assert lifted.reason == "no depth"
    assert (lifted.centre, lifted.box, lifted.covariance) == (None, None, None)
    assert (lifted.quality, lifted.valid_pixels) == (0, 0)
    assert lifted.mask_pixels == view.mask(2).sum()


def test_holes_are_said_and_lower_the_quality(view: View) -> None:
    lost = np.random.default_rng(2).random(view.z.shape) < 0.6
    lifted = remarks_of_changed(view, np.where(lost, np.nan, view.z))
    assert DepthRemark.HOLES in lifted.remarks
    assert 0 < lifted.quality < 0.6
    np.testing.assert_allclose(place_in_world(view, lifted), BLOCK.centre, atol=0.01)


def test_a_mask_of_one_pixel_has_no_place(view: View) -> None:
    mask = np.zeros(view.z.shape, bool)
    mask[120, 160] = True
    lifted = remarks_of_changed(view, view.z, mask)
    assert lifted.remarks == (DepthRemark.FEW_PIXELS,)
    assert (lifted.mask_pixels, lifted.valid_pixels, lifted.centre) == (1, 1, None)


def test_a_mask_that_fills_no_pixel_of_smaller_depth_is_small_and_not_unseen(view: View) -> None:
    mask = np.zeros(view.z.shape, bool)
    mask[121, 100:200] = True
    half = millimetres(view.z[::2, ::2])
    lifted = the_only(lift([segment(mask)], half, view.camera))
    assert lifted.remarks == (DepthRemark.FEW_PIXELS,)
    assert lifted.centre is None


def test_a_thin_thing_has_a_place_without_its_rim_left_out(view: View) -> None:
    mask = np.zeros(view.z.shape, bool)
    mask[120:122, 100:200] = True
    lifted = remarks_of_changed(view, np.full(view.z.shape, 1.5), mask)
    assert DepthRemark.THIN in lifted.remarks
    assert lifted.centre is not None
    np.testing.assert_allclose(lifted.centre, [-0.05, 0.005, 1.5], atol=0.006)


def test_an_object_at_the_border_is_said_to_be_cut() -> None:
    view = View([Block((0.5, 0.0, 0.05), (0.2, 0.1, 0.1))])
    lifted = the_only(lift(view.segments(), millimetres(view.z), view.camera))
    assert lifted.remarks == (DepthRemark.CUT,)
    assert lifted.quality < 0.7
    # The border is no rim: pixels up to it are used.
    assert (lifted.pixels % 320).max() == 319


def test_two_things_in_one_mask_give_the_larger_and_say_so(view: View) -> None:
    z = np.full(view.z.shape, 3.0)
    mask = np.zeros(view.z.shape, bool)
    mask[60:160, 60:160] = True
    z[60:160, 60:120] = 1.0
    lifted = remarks_of_changed(view, z, mask)
    assert DepthRemark.SPREAD in lifted.remarks
    assert lifted.centre is not None
    assert lifted.centre[2] == pytest.approx(1.0, abs=0.01)


def test_a_followed_object_that_is_not_seen_has_no_place(view: View) -> None:
    unseen = segment(np.zeros(view.z.shape, bool), track=7)
    lifted = the_only(lift([unseen], millimetres(view.z), view.camera))
    assert lifted.remarks == (DepthRemark.NOT_SEEN,)
    assert lifted.track is not None
    assert lifted.track.id == 7


@pytest.mark.parametrize(
    ("depth_size", "camera_size", "words"),
    [
        ((240, 300), (240, 320), "the depth image is 300x240 px and the picture 320x240 px"),
        ((480, 640), (240, 320), "Register the depth to the camera"),
        ((120, 320), (240, 320), "the same whole factor both ways"),
        ((240, 320), (200, 320), "the camera's calibration is for 320x200 px"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    view: View, depth_size: tuple[int, int], camera_size: tuple[int, int], words: str
) -> None:
    camera = PinholeCamera(300, 300, 150, 120, camera_size)
    with pytest.raises(SpaceError, match=words):
        lift(view.segments(), DepthImage(np.ones(depth_size, np.float32)), camera)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"depth": np.ones((240, 320), np.uint16)}, "depth as DepthImage.*got a ndarray"),
        ({"camera": np.eye(3)}, "the camera as a PinholeCamera, got a ndarray"),
        ({"segments": [np.ones((240, 320), bool)]}, "expected segments.*got a ndarray"),
        ({"segments": segment(np.ones((240, 320), bool))}, "a list of segments, got a Segment"),
        ({"up": "up"}, "three numbers in the optical frame, got 'up'"),
    ],
)
def test_what_is_no_argument_is_refused_in_words(
    view: View, changed: dict[str, Any], words: str
) -> None:
    given = {"segments": view.segments(), "depth": millimetres(view.z), "camera": view.camera}
    with pytest.raises(SpaceError, match=words):
        lift(**{**given, **changed})


def test_no_segments_are_no_objects(view: View) -> None:
    assert lift([], millimetres(view.z), view.camera) == ()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_comes_the_answer_is_finite_and_within_its_bounds(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width = (int(length) for length in random.integers(1, 40, 2))
    camera = PinholeCamera(30, 40, width / 2, height / 3, (height, width))
    z = random.uniform(0.2, 4, (height, width)) * random.choice([0, 1, 1], (height, width))
    z += random.choice([0, np.nan, np.inf, -5], (height, width), p=[0.9, 0.04, 0.03, 0.03])
    if seed % 3 == 0:
        z[:] = 1.0
    masks = [random.random((height, width)) < share for share in (0, 0.02, 0.3, 0.9, 1)]
    segments = [segment(mask) for mask in masks]
    lifted = lift(segments, DepthImage(z.astype(np.float32)), camera)
    assert [each.index for each in lifted] == [0, 1, 2, 3, 4]
    for each, mask in zip(lifted, masks, strict=True):
        assert each.mask_pixels == mask.sum()
        assert 0 <= each.quality <= 1
        assert (each.centre is None) == (each.quality == 0) == (each.box is None)
        assert mask.ravel()[each.pixels].all()
        if each.centre is not None:
            assert each.box is not None
            assert each.covariance is not None
            assert np.isfinite(each.centre).all()
            assert (each.box.size > 0).all()
            assert np.linalg.norm(each.box.quaternion) == pytest.approx(1)
            assert (np.linalg.eigvalsh(each.covariance) > 0).all()
            assert 0.2 <= each.centre[2] <= 4.01
        else:
            assert each.remarks
