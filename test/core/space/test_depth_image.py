"""Depth images: units, and what is no depth."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros import DepthImage
from sam3_ros.core.errors import SpaceError


def test_the_unit_follows_from_the_encoding() -> None:
    millimetres = DepthImage.of_encoding(np.full((2, 3), 1234, np.uint16), "16UC1")
    metres = DepthImage.of_encoding(np.full((2, 3), 1.234, np.float32), "32FC1")
    np.testing.assert_allclose(millimetres.metres, 1.234, rtol=1e-6)
    np.testing.assert_array_equal(metres.metres, np.float32(1.234))
    assert millimetres.metres.dtype == metres.metres.dtype == np.float32


def test_what_is_not_measured_is_nan() -> None:
    values = np.array([[0.0, np.nan, np.inf, -np.inf, -1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(np.isnan(DepthImage(values).metres), [[1, 1, 1, 1, 1, 0]])
    metres = DepthImage(np.array([[0, 65535]], np.uint16)).metres
    np.testing.assert_allclose(metres, [[np.nan, 65.535]], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "encoding", "words"),
    [
        (np.ones((2, 2), np.uint16), "rgb8", "got the encoding 'rgb8'"),
        (np.ones((2, 2), np.float32), "16UC1", "16UC1 is uint16, got float32"),
        (np.ones((2, 2), np.float64), "32FC1", "32FC1 is float32, got float64"),
        (np.ones((2, 2, 1), np.uint16), "16UC1", r"got uint16 \[2, 2, 1\]"),
        (np.ones((0, 2), np.uint16), "16UC1", r"got uint16 \[0, 2\]"),
        (np.ma.array(np.ones((2, 2), np.uint16)), "16UC1", "got a MaskedArray"),
    ],
)
def test_other_forms_are_refused(values: np.ndarray, encoding: str, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        DepthImage.of_encoding(values, encoding)


def test_millimetres_called_metres_are_refused() -> None:
    with pytest.raises(SpaceError, match="publish them as 16UC1, or divide them by 1000"):
        DepthImage(np.full((40, 40), 800, np.float32))
    sparse = np.zeros((40, 40), np.float32)
    sparse[5::8, 5::8] = 800
    with pytest.raises(SpaceError, match="half of this image is beyond 800 m"):
        DepthImage(sparse)
    DepthImage(np.full((40, 40), 150, np.float32))
    DepthImage(np.full((40, 40), np.nan, np.float32))
