"""Cameras: what their numbers mean, and which are refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sam3_ros import PinholeCamera
from sam3_ros.core.errors import SpaceError

K = (500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0)
P = (480.0, 0.0, 310.0, -24.0, 0.0, 480.0, 250.0, 0.0, 0.0, 0.0, 1.0, 0.0)
PLUMB_BOB = (0.1, -0.2, 0.001, 0.002, 0.05)


def of_info(**changed: Any) -> PinholeCamera:
    given: dict[str, Any] = {
        "size": (480, 640),
        "k": K,
        "model": "plumb_bob",
        "d": PLUMB_BOB,
        "p": P,
    }
    return PinholeCamera.of_camera_info(**{**given, **changed})


def test_a_raw_picture_has_the_matrix_k_and_the_lens() -> None:
    camera = of_info(frame="front")
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 510, 320, 240)
    assert camera.coefficients == PLUMB_BOB
    assert camera.frame == "front"


def test_a_rectified_picture_has_the_projection_and_no_lens() -> None:
    camera = of_info(rectified=True, model="equidistant")
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (480, 480, 310, 250)
    assert camera.coefficients == ()


def test_binning_and_region_move_the_middle() -> None:
    camera = of_info(binning=(2, 2), roi=(100, 50, 400, 200))
    assert camera.size == (100, 200)
    assert (camera.fx, camera.fy) == (250, 255)
    # The pixel's centre 320 is at 220.5 from the region's left edge, 110.25 pixels of two.
    assert camera.cx == pytest.approx(109.75)
    assert camera.cy == pytest.approx(94.75)


def test_zero_coefficients_of_any_number_are_no_lens() -> None:
    assert of_info(d=(0.0,) * 12, model="rational_polynomial").coefficients == ()


def test_zeros_beyond_the_models_own_coefficients_are_nothing() -> None:
    eight = (*PLUMB_BOB, 0.1, 0.2, 0.3)
    fourteen = of_info(d=(*eight, *[0.0] * 6), model="rational_polynomial")
    assert fourteen == of_info(d=eight, model="rational_polynomial")
    assert of_info(d=(*PLUMB_BOB, 0.0, 0.0, 0.0)) == of_info()


def test_a_camera_of_half_the_size_sees_the_same_directions() -> None:
    camera = of_info()
    half = camera.scaled_to((240, 320))
    # The corner of four pixels at 10 is the middle of one at half the size.
    assert (10.5 - camera.cx) / camera.fx == pytest.approx((5 - half.cx) / half.fx)
    assert half.scaled_to((480, 640)) == camera


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"model": "equidistant"}, "unknown lens model 'equidistant'; known are plumb_bob"),
        ({"d": (0.1, 0.2, 0.3)}, "plumb_bob has 4 or 5 coefficients, got 3"),
        ({"model": "rational_polynomial"}, "rational_polynomial has 8 coefficients, got 5"),
        ({"k": (0.0,) * 9}, "is the camera calibrated"),
        ({"k": (math.nan, *K[1:])}, "must be finite"),
        ({"k": K[:4]}, "K has 9 numbers"),
        ({"k": (*K[:2], 0, 0, K[4], 0, K[2], K[5], 1)}, "is it column by column"),
        ({"k": (0.9, 0, 0.5, 0, 1.2, 0.5, 0, 0, 1)}, "would see 175 degrees and more"),
        ({"model": "rational_polynomial", "d": (0.1,) * 14}, "has 8 coefficients, got 14; with"),
        ({"d": ("a", "b", "c", "d")}, "has numbers for fx, fy, cx, cy"),
        ({"rectified": True, "p": ()}, "projection matrix P, 12 numbers"),
        ({"roi": (600, 0, 100, 100)}, "does not lie in its picture"),
        ({"size": (0, 0)}, "has a size"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        of_info(**changed)
