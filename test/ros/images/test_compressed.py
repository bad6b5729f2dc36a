from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.compressed import decode_compressed


def picture() -> np.ndarray:
    """Return smooth RGB uint8 [60, 80, 3], which JPEG keeps well."""
    y, x = np.mgrid[0:60, 0:80]
    return np.stack([x * 3, y * 4, 255 - x * 3], -1).astype(np.uint8)


def encoded(extension: str, *flags: int) -> bytes:
    done, data = cv2.imencode(extension, picture()[:, :, ::-1], list(flags))
    assert done
    return data.tobytes()


def message(data: bytes, name: str = "jpeg") -> CompressedImage:
    return CompressedImage(format=name, data=data)


JPEG = encoded(".jpg", cv2.IMWRITE_JPEG_QUALITY, 95)
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)
PNG = encoded(".png")
# An EXIF-like segment that holds a whole small JPEG with an end marker of its own.
THUMBNAIL = JPEG[:2] + b"\xff\xe1" + (2 + len(JPEG)).to_bytes(2, "big") + JPEG + JPEG[2:]


@pytest.mark.parametrize(
    "data",
    [JPEG, PROGRESSIVE, THUMBNAIL, JPEG + b"\0" * 7, JPEG[:2] + b"\xff\xff" + JPEG[2:]],
    ids=["baseline", "progressive with restarts", "with a thumbnail", "padded", "fill bytes"],
)
def test_jpeg(data):
    rgb = decode_compressed(message(data))
    assert rgb.shape == (60, 80, 3)
    assert np.abs(rgb.astype(int) - picture()).mean() < 4


def test_png_is_exact():
    rgb = decode_compressed(message(PNG, "rgb8; png compressed bgr8"))
    np.testing.assert_array_equal(rgb, picture())


def test_mono_comes_as_rgb():
    done, data = cv2.imencode(".png", picture()[:, :, 1])
    assert done
    rgb = decode_compressed(message(data.tobytes(), "mono8; png compressed mono8"))
    np.testing.assert_array_equal(rgb, picture()[:, :, [1, 1, 1]])


@pytest.mark.parametrize("part", [0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("whole", [JPEG, PROGRESSIVE, THUMBNAIL, PNG])
def test_a_cut_file_is_refused(whole, part):
    with pytest.raises(ImageError, match=r"expected a whole (JPEG|PNG), got \d+ bytes"):
        decode_compressed(message(whole[: int(len(whole) * part)]))


def test_a_jpeg_that_lost_only_its_end_marker_is_refused():
    with pytest.raises(ImageError, match="without the end marker"):
        decode_compressed(message(JPEG[:-2]))


def test_a_damaged_png_is_refused():
    damaged = bytearray(PNG)
    damaged[len(PNG) // 2] ^= 0xFF
    with pytest.raises(ImageError):
        decode_compressed(message(bytes(damaged), "png"))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"GIF89a....", bytes(100)])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ImageError):
        decode_compressed(message(data))


def test_a_depth_image_is_refused():
    with pytest.raises(ImageError, match="depth"):
        decode_compressed(message(PNG, "16UC1; compressedDepth png"))
