from __future__ import annotations

import math

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, ImageSize, box_of_corners


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
        "[100, 80, 60, 60] as x, y, width, height is written [100, 80, 160, 140]"
    )


@pytest.mark.parametrize("values", [(10, 10, -5, 20), (10, 10, 0, 20), (-10, 5, -20, 8)])
def test_what_has_no_width_or_height_either_gets_no_such_advice(values: tuple[float, ...]) -> None:
    with pytest.raises(PromptError, match=r"two corners .* got \[-?10, .*\]$"):
        box_of_corners(values)


def test_a_box_of_three_numbers_is_refused() -> None:
    with pytest.raises(PromptError, match=r"as two corners \[x0, y0, x1, y1\], got \[1, 2, 3\]"):
        box_of_corners([1, 2, 3])
