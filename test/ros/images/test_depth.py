"""Depth messages as drivers and image_transport make them, to metres."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from depth_rig import camera_info, compressed_depth
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError, SpaceError
from sam3_ros.ros.images.camera_info import camera_of
from sam3_ros.ros.images.depth import depth_image
from sam3_ros.ros.images.messages import image_message

MILLIMETRES = np.array([[0, 500, 1000, 65535], [1, 2, 3, 4], [9, 8, 7, 6]], np.uint16)
METRES = np.array([[np.nan, 0.5, 1.0, 9.5], [1.0, 2.0, 3.0, 4.0], [0.25, 8.0, 7.0, np.inf]], "f4")
CONTENT = {"16UC1": MILLIMETRES, "mono16": MILLIMETRES, "32FC1": METRES}


def seen(values: np.ndarray) -> np.ndarray:
    """Return metres with NaN where nothing is measured."""
    metres = values * 0.001 if values.dtype == np.uint16 else values
    return np.where((metres > 0) & np.isfinite(metres), metres, np.nan)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("encoding", CONTENT)
def test_raw_depth_of_every_layout(encoding: str, padding: int, big_endian: bool) -> None:
    values = CONTENT[encoding]
    rows = values.astype(values.dtype.newbyteorder(">" if big_endian else "<"))
    data = b"".join(row.tobytes() + b"\xff" * padding for row in rows)
    step = values.shape[1] * values.itemsize + padding
    message = Image(
        height=3, width=4, encoding=encoding, step=step, is_bigendian=big_endian, data=data
    )

    np.testing.assert_allclose(depth_image(message).metres, seen(values), rtol=1e-6)


def test_compressed_millimetres_are_the_same_millimetres() -> None:
    depth = depth_image(compressed_depth(MILLIMETRES, Header()))

    np.testing.assert_array_equal(depth.values, MILLIMETRES)


def test_compressed_metres_are_as_near_as_inverse_depth_can_be() -> None:
    metres = np.linspace(0.3, 9.0, 200, dtype=np.float32).reshape(10, 20)
    metres[0, 0], metres[1, 1] = np.nan, 12.0

    found = depth_image(compressed_depth(metres, Header())).metres

    # One step of the quantised value, at A = 10100: z^2 / A.
    assert np.isnan(found[0, 0]) and np.isnan(found[1, 1])
    measured = np.isfinite(found)
    assert measured.sum() == 198
    off = np.abs(found - metres)[measured]
    assert (off <= metres[measured] ** 2 / 10100 * 1.01).all()


def test_a_message_of_a_bag_that_is_read_without_ros_is_read_too() -> None:
    message = SimpleNamespace(
        **{
            name: getattr(image_message(MILLIMETRES, "16UC1"), name)
            for name in ("height", "width", "encoding", "step", "is_bigendian", "data")
        }
    )

    np.testing.assert_array_equal(depth_image(message).values, MILLIMETRES)


def png(values: np.ndarray, a: float = 0.0, b: float = 0.0) -> bytes:
    return struct.pack("<iff", 0, a, b) + cv2.imencode(".png", values)[1].tobytes()


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (image_message(np.zeros((3, 4, 3), np.uint8), "rgb8"), "16UC1 (millimetres)"),
        (image_message(np.zeros((3, 4), np.uint8), "mono8"), "registered to the camera"),
        (Image(height=3, width=4, encoding="16UC1", step=8, data=bytes(20)), "cut off"),
        (Image(height=3, width=4, encoding="32FC1", step=8, data=bytes(48)), "step"),
        (Image(height=0, width=4, encoding="16UC1"), "at least 1x1"),
        (CompressedImage(format="16UC1; png compressed", data=png(MILLIMETRES)), "depth_transport"),
        (CompressedImage(format="16UC1; compressedDepth rvl", data=bytes(40)), "format to png"),
        (CompressedImage(format="16UC1; compressedDepth", data=bytes(40)), "a PNG"),
        (CompressedImage(format="16UC1; compressedDepth", data=b"\x89PNG"), "a PNG"),
        (CompressedImage(format="16UC1; compressedDepth", data=png(MILLIMETRES)[:-20]), "cut"),
        (
            CompressedImage(
                format="16UC1; compressedDepth", data=png(np.zeros((3, 4), np.uint8))
            ),
            "16 bits",
        ),
        (CompressedImage(format="32FC1; compressedDepth", data=png(MILLIMETRES)), "A (above 0)"),
        (CompressedImage(format="8UC1; compressedDepth", data=png(MILLIMETRES)), "16UC1"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)  # fmt: skip
def test_what_is_no_depth_is_refused_in_words(message: Image | CompressedImage, words: str) -> None:
    with pytest.raises(ImageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        depth_image(message)


def test_depth_larger_than_allowed_is_refused_before_it_is_decoded() -> None:
    for message in (
        image_message(MILLIMETRES, "16UC1"),
        compressed_depth(MILLIMETRES, Header()),
    ):
        with pytest.raises(ImageError, match="max_megapixels"):
            depth_image(message, max_megapixels=1e-6)


def test_float_depth_that_can_only_be_millimetres_is_refused() -> None:
    with pytest.raises(SpaceError, match="16UC1"):
        depth_image(image_message(np.full((48, 64), 1500, np.float32), "32FC1"))


def test_float_depth_with_the_wrong_flag_of_its_bytes_is_refused() -> None:
    message = image_message(np.full((48, 64), 1.5, np.float32), "32FC1")
    message.is_bigendian = not message.is_bigendian

    with pytest.raises(SpaceError, match="is_bigendian"):
        depth_image(message)


def test_a_camera_info_is_a_camera() -> None:
    header = Header(frame_id="front_optical")
    camera = camera_of(camera_info((96, 128), header, d=[0.1, 0.01, 0.0, 0.0, 0.0]), False)

    assert (camera.frame, camera.size) == ("front_optical", (96, 128))
    assert camera.coefficients == (0.1, 0.01, 0.0, 0.0, 0.0)

    p = [90.0, 0.0, 60.0, 0.0, 0.0, 91.0, 45.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    rectified = camera_of(camera_info((96, 128), header, d=[0.1] * 5, p=p), True)
    assert (rectified.fx, rectified.fy, rectified.cx) == (90.0, 91.0, 60.0)
    assert rectified.coefficients == ()
