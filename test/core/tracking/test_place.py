"""The pixels of an object, and what two of them share."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scenes import iou

from sam3_ros.core.geometry import Point
from sam3_ros.core.segmenter.masks import inmost_point, mask_bounds
from sam3_ros.core.tracking.place import Place

ROWS, COLUMNS = 40, 56


def some_mask(seed: int) -> np.ndarray:
    """Return a blob somewhere, also at the edges."""
    random = np.random.default_rng(seed)
    mask = np.zeros((ROWS, COLUMNS), np.uint8)
    middle = (int(random.integers(COLUMNS)), int(random.integers(ROWS)))
    axes = (int(random.integers(1, 16)), int(random.integers(1, 16)))
    cv2.ellipse(mask, middle, axes, float(random.integers(90)), 0, 360, 1, -1)
    return mask > 0


def placed(mask: np.ndarray) -> Place:
    place = Place.of_mask(mask)
    assert place is not None
    return place


@pytest.mark.parametrize("seed", range(20))
def test_it_says_what_the_whole_mask_says(seed: int) -> None:
    mask, other = some_mask(seed), some_mask(seed + 100)
    place = placed(mask)
    np.testing.assert_array_equal(place.whole(), mask)
    assert place.pixels == mask.sum()
    assert place.box == mask_bounds(mask)
    assert place.inmost_point == inmost_point(mask)
    assert place.iou(placed(other)) == pytest.approx(iou(mask, other))
    assert place.iou(place) == 1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("step", [(3.0, -2.0), (0.5, 4.0), (-7.5, 0.5), (0.0, 0.0), (31.0, 30.5)])
def test_it_moves_as_the_whole_mask_does(seed: int, step: tuple[float, float]) -> None:
    mask = some_mask(seed)
    move = np.array([[1, 0, step[0]], [0, 1, step[1]]], np.float32)
    expected = cv2.warpAffine(mask.astype(np.uint8), move, (COLUMNS, ROWS)) > 0
    moved = placed(mask).moved(Point(*step))
    if not expected.any():
        assert moved is None
    else:
        assert moved is not None
        np.testing.assert_array_equal(moved.whole(), expected)
        assert moved.box == mask_bounds(expected)


def test_an_empty_mask_is_no_place() -> None:
    assert Place.of_mask(np.zeros((ROWS, COLUMNS), np.bool_)) is None
    with pytest.raises(ValueError, match="at least one pixel"):
        Place(np.zeros((2, 2), np.bool_), 0, 0, placed(some_mask(1)).size)


def test_it_keeps_no_more_than_its_pixels() -> None:
    mask = np.zeros((2000, 2000), np.bool_)
    mask[700:710, 900:930] = True
    place = placed(mask)
    assert place.nbytes == 300
    assert place.mask.base is None
