"""Headers in serialised messages, against rclpy's own serialisation."""

from __future__ import annotations

import struct

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage

from sam3_ros.replay.bag.stamps import read_header, with_later_stamp


def jpeg(sec: int = 12, nanosec: int = 900_000_000, frame_id: str = "kamera_ä") -> bytes:
    message = CompressedImage(format="jpeg", data=b"abc")
    message.header.stamp.sec, message.header.stamp.nanosec = sec, nanosec
    message.header.frame_id = frame_id
    return serialize_message(message)


def test_stamp_and_frame_id_are_read():
    assert read_header(jpeg()) == (12_900_000_000, "kamera_ä")
    assert read_header(jpeg(frame_id="")).frame_id == ""


def test_big_endian_is_read():
    cdr = b"\0\0\0\0" + struct.pack(">iII", 7, 5, 4) + b"cam\0"
    assert read_header(cdr) == (7_000_000_005, "cam")
    assert read_header(with_later_stamp(cdr, 10)).stamp_ns == 7_000_000_015


def test_a_later_stamp_changes_nothing_else():
    later = deserialize_message(with_later_stamp(jpeg(), 200_000_001), CompressedImage)
    assert (later.header.stamp.sec, later.header.stamp.nanosec) == (13, 100_000_001)
    assert (later.header.frame_id, bytes(later.data)) == ("kamera_ä", b"abc")


def test_no_shift_leaves_the_bytes_alone():
    cdr = jpeg()
    assert with_later_stamp(cdr, 0) is cdr


@pytest.mark.parametrize("length", [0, 3, 10, 18])
def test_bytes_that_end_within_the_header_are_refused(length):
    with pytest.raises(ValueError, match="expected a"):
        read_header(jpeg()[:length])
