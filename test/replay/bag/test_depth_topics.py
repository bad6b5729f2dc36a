"""What is depth is told by the first message, whatever its topic is called."""

from __future__ import annotations

import numpy as np
import pytest
from bags import STORE

from sam3_ros.replay.bag.depth_topics import is_depth

HEADERS = [
    STORE.types["std_msgs/msg/Header"](STORE.types["builtin_interfaces/msg/Time"](1, 2), frame)
    for frame in ("", "a", "optical")
]
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.frame_id or "no frame")
@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("16UC1", True), ("32FC1", True), ("mono16", False), ("rgb8", False), ("16UC3", False)],
)
def test_raw_images(header, little_endian, encoding, expected):
    data = np.zeros(8, np.uint8)
    message = STORE.types[IMAGE](header, 1, 2, encoding, 0, 4, data)
    cdr = bytes(STORE.serialize_cdr(message, IMAGE, little_endian=little_endian))
    assert is_depth(cdr, is_compressed=False) is expected


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.frame_id or "no frame")
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("16UC1; compressedDepth png", True),
        ("32FC1; compressedDepth", True),
        ("rgb8; jpeg compressed bgr8", False),
        ("16UC1; png compressed ", True),
        ("jpeg", False),
    ],
)
def test_compressed_images(header, form, expected):
    message = STORE.types[COMPRESSED](header, form, np.zeros(4, np.uint8))
    cdr = bytes(STORE.serialize_cdr(message, COMPRESSED))
    assert is_depth(cdr, is_compressed=True) is expected


@pytest.mark.parametrize("cdr", [b"", b"\0", b"\0\1\0\0", b"\0\1\0\0" + b"\xff" * 40])
@pytest.mark.parametrize("is_compressed", [True, False])
def test_damaged_bytes_are_no_depth(cdr, is_compressed):
    assert not is_depth(cdr, is_compressed=is_compressed)
