from __future__ import annotations

import math

import numpy as np
import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, ImageSize, box_of_corners
from sam3_ros.core.segmenter.masks import inmost_point, mask_bounds


@pytest.mark.parametrize(
    "corners", [(90, 10, 10, 90), (10, 90, 90, 10), (10, 10, 10, 90), (0, 0, 5, 0)]
)
def test_an_inverted_or_flat_box_is_refused(corners: tuple[float, ...]) -> None:
    with pytest.raises(PromptError, match="x_max > x_min"):
        Box(*corners)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_box_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(PromptError, match="finite"):
        Box(0, 0, bad, 5)


def test_a_box_is_clipped_to_the_image() -> None:
    size = ImageSize(height=48, width=64)
    assert Box(-5, 10, 100, 20).clipped_to(size) == Box(0, 10, 64, 20)
    assert Box(1, 2, 3, 4).clipped_to(size) == Box(1, 2, 3, 4)
    assert Box(64, 0, 80, 10).clipped_to(size) is None
    assert Box(-9, -9, -1, -1).clipped_to(size) is None


def test_the_bounds_of_a_mask_are_its_pixels_outer_edges() -> None:
    mask = np.zeros((48, 64), np.bool_)
    assert mask_bounds(mask) is None
    mask[10, 20] = True
    assert mask_bounds(mask) == Box(20, 10, 21, 11)
    mask[30, 5:8] = True
    assert mask_bounds(mask) == Box(5, 10, 21, 31)


def test_the_bounds_of_a_mask_that_is_a_part_of_another_array() -> None:
    canvas = np.zeros((60, 80), np.bool_)
    canvas[12, 14] = True
    assert mask_bounds(canvas[10:40, 10:50]) == Box(4, 2, 5, 3)


@pytest.mark.parametrize("corner", ["a", None, (1, 2)])
def test_a_corner_that_is_no_number_is_refused(corner: object) -> None:
    with pytest.raises(PromptError, match="a box needs numbers, got x_min="):
        Box(corner, 1, 2, 3)  # type: ignore[arg-type]


def test_a_box_is_written_as_two_corners() -> None:
    assert box_of_corners([100, 80.5, 160, 140]) == Box(100, 80.5, 160, 140)


def test_a_box_written_as_width_and_height_is_refused_with_the_same_box_as_corners() -> None:
    with pytest.raises(PromptError) as caught:
        box_of_corners([100, 80, 60, 60])
    assert str(caught.value) == (
        "expected a box as two corners [x0, y0, x1, y1] with x1 > x0 and y1 > y0, "
        "got [100, 80, 60, 60]; "
        "[100, 80, 60, 60] as x, y, width, height is now [100, 80, 160, 140]"
    )


@pytest.mark.parametrize("values", [(10, 10, -5, 20), (10, 10, 0, 20), (-10, 5, -20, 8)])
def test_what_has_no_width_or_height_either_gets_no_such_advice(values: tuple[float, ...]) -> None:
    with pytest.raises(PromptError, match=r"two corners .* got \[-?10, .*\]$"):
        box_of_corners(values)


def test_a_box_of_three_numbers_is_refused() -> None:
    with pytest.raises(PromptError, match=r"as two corners \[x0, y0, x1, y1\], got \[1, 2, 3\]"):
        box_of_corners([1, 2, 3])


def test_the_inmost_point_is_inside_and_away_from_the_edge_of_the_image() -> None:
    ring = np.zeros((40, 40), bool)
    ring[5:35, 5:35] = True
    ring[12:28, 12:28] = False
    point = inmost_point(ring)
    assert ring[int(point.y), int(point.x)]
    assert inmost_point(np.ones((11, 21), bool)).y == 5.5
