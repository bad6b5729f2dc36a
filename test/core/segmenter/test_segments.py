from __future__ import annotations

import math

import numpy as np
import pytest

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.segments import Segment, Segments

BOX = Box(0, 0, 1, 1)


def test_a_segment_knows_its_images_size() -> None:
    segment = Segment("cube", "cube", 0.9, BOX, np.zeros((4, 6), np.bool_))
    assert segment.size == ImageSize(height=4, width=6)


@pytest.mark.parametrize(
    "mask", [np.zeros((4, 6), np.uint8), np.zeros((1, 4, 6), np.bool_), np.zeros(4, np.bool_)]
)
def test_a_mask_that_is_no_bool_image_is_refused(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"bool \[H, W\]"):
        Segment("cube", "cube", 0.9, BOX, mask)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Segment("cube", "cube", math.nan, BOX, np.zeros((4, 6), np.bool_))


def test_the_bounds_of_a_mask_are_computed_unless_they_are_given() -> None:
    mask = np.zeros((4, 6), np.bool_)
    mask[1:3, 2:5] = True
    found = Segment("cube", "cube", 0.9, BOX, mask)
    assert found.bounds == Box(2, 1, 5, 3)
    assert mask[found.window].all()
    assert Segment("cube", "cube", 0.9, BOX, mask, Box(2, 1, 5, 3)).window == found.window


def test_an_empty_mask_has_no_bounds() -> None:
    segment = Segment("cube", "cube", 0.9, BOX, np.zeros((4, 6), np.bool_))
    assert segment.bounds is None
    assert segment.mask[segment.window].size == 0


def test_bounds_outside_of_the_mask_are_refused() -> None:
    with pytest.raises(ValueError, match="lie in its image"):
        Segment("cube", "cube", 0.9, BOX, np.zeros((4, 6), np.bool_), Box(2, 1, 7, 3))


def test_a_segment_is_shown_in_one_line_without_its_mask() -> None:
    mask = np.zeros((480, 640), np.bool_)
    mask[10:20, 30:60] = True
    segment = Segment("target", "red cube", 0.91234, Box(29.5, 10, 60.25, 20), mask)
    line = "<Segment 'red cube', score 0.912, box (29.5, 10.0, 60.2, 20.0), 300 px of 640x480>"
    assert repr(segment) == str(segment) == line
    assert str(Segments([segment], {})) == f"[{line}]"
