from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.segmenter.pixels import require_rgb, write_normalised


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 5), np.uint8), r"got shape \[4, 5\]"),
        (np.zeros((4, 5, 4), np.uint8), r"got shape \[4, 5, 4\]"),
        (np.zeros((4, 5, 3), np.float32), "got dtype float32"),
        (np.zeros((4, 5, 3), np.uint16), "got dtype uint16"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        ([[1, 2, 3]], "got a list"),
        (None, "got a NoneType"),
    ],
)
def test_what_is_no_rgb_image_is_refused(image: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        require_rgb(image)  # type: ignore[arg-type]


def test_channels_may_be_turned_round_and_rows_cut_out() -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (10, 12, 3), np.uint8)
    turned = require_rgb(bgr[2:8, ::2, ::-1])
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, bgr[2:8, ::2, ::-1])


def test_normalising_is_bit_for_bit_what_float32_arithmetic_gives() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    planes = np.empty((3, 16, 16), np.float32)
    write_normalised(levels, mean, std, planes)
    scaled = levels.astype(np.float32) / np.float32(255)
    expected = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    np.testing.assert_array_equal(planes, expected.transpose(2, 0, 1))
