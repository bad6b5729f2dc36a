"""Masks and overlays as files: what is in them, and how image_transport knows them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.answers.compressed import jpeg_message, png_message

HEADER = Header(frame_id="camera")


@pytest.mark.parametrize(("encoding", "dtype"), [("mono8", np.uint8), ("mono16", np.uint16)])
def test_every_value_of_a_mask_comes_back(encoding: str, dtype: type) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 128)
    message = png_message(values, encoding, HEADER)
    assert message.header == HEADER
    assert message.format == f"{encoding}; png compressed "
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, values)


def test_an_overlay_is_a_jpeg_in_true_colours() -> None:
    bgr = np.zeros((48, 64, 3), np.uint8)
    bgr[:, :32], bgr[:, 32:] = (200, 40, 10), (10, 40, 200)
    message = jpeg_message(bgr, HEADER)
    assert message.header == HEADER
    assert message.format == "bgr8; jpeg compressed bgr8"
    assert bytes(message.data[:3]) == b"\xff\xd8\xff"
    decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(decoded[:, [8, 56]], bgr[:, [8, 56]], atol=4)


def test_what_no_jpeg_holds_is_refused() -> None:
    with pytest.raises(ImageError, match="70000x1 px: subscribe to the raw topic"):
        jpeg_message(np.zeros((1, 70_000, 3), np.uint8), HEADER)
