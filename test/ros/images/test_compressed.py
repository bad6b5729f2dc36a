from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage
from sensor_msgs.msg import CompressedImage

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.compressed import decode_compressed
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.ros.images.messages import image_message


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


@pytest.mark.parametrize("part", [0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("whole", [JPEG, PROGRESSIVE, THUMBNAIL, PNG])
def test_a_cut_file_is_refused(whole, part):
    with pytest.raises(ImageError, match=r"expected a whole (JPEG|PNG), got \d+ bytes"):
        decode_compressed(message(whole[: int(len(whole) * part)]))


@pytest.mark.parametrize("whole", [JPEG, PROGRESSIVE, THUMBNAIL])
def test_a_jpeg_that_lost_only_its_end_marker_is_whole(whole):
    rgb = decode_compressed(message(whole[:-2]))
    np.testing.assert_array_equal(rgb, decode_compressed(message(whole)))


def test_a_byte_between_segments_is_passed_over():
    tables = JPEG.index(b"\xff\xdb")
    rgb = decode_compressed(message(JPEG[:tables] + b"\x40" + JPEG[tables:]))
    np.testing.assert_array_equal(rgb, decode_compressed(message(JPEG)))


def coded(pixels: np.ndarray, extension: str = ".png") -> bytes:
    """Return an array as OpenCV writes it, which takes three channels as BGR."""
    return cv2.imencode(extension, pixels)[1].tobytes()


def raw(pixels: np.ndarray, encoding: str) -> np.ndarray:
    return OwnConverter().to_rgb(image_message(pixels, encoding))


@pytest.mark.parametrize(
    "name",
    [
        "rgb8; png compressed bgr8",
        "bgr8; png compressed bgr8",
        "bgra8; png compressed bgr8",
        "yuv422_yuy2; png compressed bgr8",
        "nv12; png compressed bgr8",
        "rgb8; png compressed rgb8",  # written by hand: see the table in compressed.py
        "bgr8; png compressed rgb8",
        "rgb8; png compressed ",
        "bgr8; png compressed",
        "8UC3; png compressed ",
        "RGB8; PNG compressed bgr8",
        "bayer_rggb8; png compressed bgr8",
        "png",
        "PNG",
        "jpeg",
        "rgb8",
        "bgr8",
        "image/png",
        "",
    ],
)
def test_the_colours_of_a_colour_picture_are_those_of_the_file(name):
    np.testing.assert_array_equal(decode_compressed(message(PNG, name)), picture())


@pytest.mark.parametrize("tile", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("codec", ["png compressed ", "tiff compressed ", "png compressed"])
def test_a_bayer_pattern_is_read_as_the_raw_one(tile, dtype, codec):
    mosaic = np.random.default_rng(5).integers(0, np.iinfo(dtype).max, (20, 30)).astype(dtype)
    encoding = f"bayer_{tile}{mosaic.itemsize * 8}"
    data = coded(mosaic, ".tiff" if "tiff" in codec else ".png")
    rgb = decode_compressed(message(data, f"{encoding}; {codec}"))
    np.testing.assert_array_equal(rgb, raw(mosaic, encoding))
    if dtype is np.uint16:
        low = (mosaic >> 6).astype(np.uint16)
        rgb = decode_compressed(message(coded(low), f"{encoding}; {codec}"), bit_depth=10)
        np.testing.assert_array_equal(
            rgb, OwnConverter().to_rgb(image_message(low, encoding), bit_depth=10)
        )


def test_a_bayer_pattern_as_jpeg_is_a_mosaic_unless_it_was_made_grey():
    mosaic = cv2.resize(picture()[:, :, 0], (80, 60))
    data = coded(mosaic, ".jpg")
    grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    rgb = decode_compressed(message(data, "bayer_rggb8; jpeg compressed "))
    np.testing.assert_array_equal(rgb, raw(grey, "bayer_rggb8"))
    rgb = decode_compressed(message(data, "bayer_rggb8; jpeg compressed mono8"))
    np.testing.assert_array_equal(rgb, raw(grey, "mono8"))
    # Of 16 bits the publisher keeps 8.
    rgb = decode_compressed(message(data, "bayer_rggb16; jpeg compressed "))
    np.testing.assert_array_equal(rgb, raw(grey, "bayer_rggb8"))


@pytest.mark.parametrize("name", ["mono16; png compressed ", "16UC1; png compressed ", "png"])
def test_sixteen_bit_grey_is_read_as_the_raw_one(name):
    grey = np.random.default_rng(5).integers(0, 65536, (20, 30)).astype(np.uint16)
    rgb = decode_compressed(message(coded(grey), name))
    np.testing.assert_array_equal(rgb, raw(grey, "mono16"))
    low = (grey >> 4).astype(np.uint16)
    rgb = decode_compressed(message(coded(low), name), bit_depth=12)
    assert np.abs(rgb[:, :, 0] - low * (255 / 4095)).max() <= 0.5 + 1e-3


def test_sixteen_bit_colours_are_read_as_the_raw_ones():
    pixels = np.random.default_rng(5).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    rgb = decode_compressed(message(coded(pixels), "rgb16; png compressed bgr16"))
    np.testing.assert_array_equal(rgb, raw(pixels, "bgr16"))


def test_exif_turns_no_camera_image():
    stream = BytesIO()
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(picture()).save(stream, "JPEG", exif=exif)
    assert decode_compressed(message(stream.getvalue())).shape == (60, 80, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("32FC1; tiff compressed ", "32FC1.*distances"),
        ("16UC1; compressedDepth png", "a depth image"),
        ("32FC1; compressedDepth rvl", "a depth image"),
        ("16SC1; png compressed ", "distances"),
        ("h264", "a video stream"),
        ("hevc", "a video stream"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_format(name, words):
    with pytest.raises(ImageError, match=words):
        decode_compressed(message(coded(np.zeros((8, 8), np.uint16)), name))


def test_the_bytes_of_a_yuv_image_in_one_channel_are_refused():
    grey = coded(picture()[:, :, 0])
    with pytest.raises(ImageError, match="one channel"):
        decode_compressed(message(grey, "nv12; png compressed "))
    decode_compressed(message(grey, "nv12; jpeg compressed mono8"))


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
