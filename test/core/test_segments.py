from __future__ import annotations

import math

import numpy as np
import pytest

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segments import Segment

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
