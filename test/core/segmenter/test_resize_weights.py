"""A resize as matrices gives what Pillow and OpenCV give, to one level."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.pixels import Interpolation, resized
from sam3_ros.core.segmenter.resize_weights import resize_weights
from sam3_ros.core.segmenter.transform import ImageTransform

HALF = (0.5, 0.5, 0.5)


@pytest.mark.parametrize("interpolation", ["bilinear", "area", "bilinear_antialias"])
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((480, 640), (504, 504)),
        ((720, 1280), (240, 320)),
        ((1013, 37), (126, 252)),
        ((37, 1013), (252, 126)),
        ((60, 80), (90, 90)),
        ((252, 252), (126, 126)),
        ((126, 252), (126, 252)),
        ((2, 2), (1, 1)),
        ((1, 1), (7, 5)),
    ],
)
def test_the_matrices_resize_as_the_library_does(
    source: tuple[int, int], size: tuple[int, int], interpolation: Interpolation
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*source, 3), np.uint8)
    made = resize_weights(ImageSize(*source), ImageSize(*size), ImageSize(*size), interpolation)
    by_row = np.tensordot(made.rows, image.astype(np.float32), 1)
    found = np.tensordot(made.columns, by_row, (1, 1)).transpose(1, 0, 2)
    expected = resized(image, ImageSize(*size), interpolation)
    assert np.abs(found - expected).max() <= 1.001


def test_what_is_padding_in_the_frame_has_no_weight() -> None:
    how = Preprocessing(96, 128, HALF, HALF, "longest_side", "bilinear_antialias")
    made = ImageTransform(ImageSize(300, 200), how).resize_weights()
    assert made.rows.shape == (96, 300)
    assert made.columns.shape == (128, 200)
    assert (made.rows.dtype, made.columns.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(made.rows.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(made.columns[:64].sum(1), 1, atol=1e-6)
    assert not made.columns[64:].any()
