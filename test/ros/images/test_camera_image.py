from __future__ import annotations

import cv2
import numpy as np
import pytest
from hostile_images import whole_pictures
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.levels import Levels
from sam3_ros.ros.images.camera_image import camera_image
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.ros.images.messages import image_message


def grey(highest: int) -> np.ndarray:
    levels = np.linspace(0, highest, 20 * 30).reshape(20, 30)
    return np.rint(levels).astype(np.uint16)


def big_endian(pixels: np.ndarray) -> Image:
    message = image_message(pixels, "mono16")
    message.is_bigendian, message.data = 1, pixels.astype(">u2").tobytes()
    return message


def png(pixels: np.ndarray) -> CompressedImage:
    data = cv2.imencode(".png", pixels)[1].tobytes()
    return CompressedImage(format="mono16; png compressed ", data=data)


@pytest.mark.parametrize("make", [lambda p: image_message(p, "mono16"), big_endian, png])
def test_the_levels_are_those_that_the_camera_sent(make) -> None:
    message = make(grey(1023))
    dark = camera_image(message, OwnConverter(), 0)
    assert dark.levels == Levels(highest=1023, spread=1023, white=65535, largest=65535)
    assert dark.rgb.max() == 4
    bright = camera_image(message, OwnConverter(), 10)
    assert bright.levels == Levels(highest=1023, spread=1023, white=1023, largest=65535)
    assert bright.rgb.max() == 255


def test_of_other_encodings_the_levels_are_those_of_the_colours() -> None:
    nv12 = Image(height=4, width=4, encoding="nv12", step=4, data=b"\x10" * 16 + b"\x80" * 8)
    assert camera_image(nv12, OwnConverter(), 0).levels == Levels(0, 0, 255, 255)


@pytest.mark.parametrize("encoding", ["rgb8", "mono16", "bayer_rggb16", "yuv422", "nv12", "i420"])
@pytest.mark.parametrize(
    ("width", "height", "step"),
    [(2**32 - 1, 2**32 - 1, 2**32 - 1), (65536, 65536, 0), (2**31, 2, 8), (8000, 8000, 24000)],
)
def test_an_image_that_claims_too_many_pixels_is_refused_by_its_header(
    encoding, width, height, step
):
    message = Image(encoding=encoding, width=width, height=height, step=step, data=bytes(64))
    advice = "set max_megapixels to" if width == 8000 else "no picture is that large"
    with pytest.raises(ImageError, match=f"got {width}x{height} .*: .*{advice}"):
        camera_image(message, OwnConverter(), 0)


@pytest.mark.parametrize("encoding", ["rgb8", "mono16", "rgba16", "yuyv", "nv21", "nv24", "yv12"])
@pytest.mark.parametrize(
    ("width", "height", "step", "size"),
    [(0, 0, 0, 0), (8, 0, 8, 64), (4000, 4000, 2**32 - 1, 64), (4, 4, 1, 64), (64, 64, 0, 63)],
)
def test_what_does_not_fit_its_data_is_refused(encoding, width, height, step, size):
    message = Image(encoding=encoding, width=width, height=height, step=step, data=bytes(size))
    with pytest.raises(ImageError):
        camera_image(message, OwnConverter(), 0)


def test_the_bound_is_that_of_pixels_and_counts_colours_of_16_bits_twice():
    grey, colours = (np.zeros((10, 100, *more), np.uint16) for more in ((), (3,)))
    assert camera_image(image_message(grey, "mono16"), OwnConverter(), 0, 0.001).rgb.any() == 0
    with pytest.raises(ImageError, match="count twice"):
        camera_image(image_message(colours, "rgb16"), OwnConverter(), 0, 0.001)
    jpeg = cv2.imencode(".jpg", colours.astype(np.uint8))[1].tobytes()
    message = CompressedImage(format="jpeg", data=jpeg)
    assert camera_image(message, OwnConverter(), 0, 0.001).rgb.shape == (10, 100, 3)
    with pytest.raises(ImageError, match=r"at most 0\.0009 megapixels, got 100x10"):
        camera_image(message, OwnConverter(), 0, 0.0009)


@pytest.mark.parametrize("kind", ["GIF", "JPEG 2000", "QOI", "PPM"])
def test_a_message_holds_no_picture_of_a_kind_that_no_camera_sends(kind):
    message = CompressedImage(format="jpeg", data=whole_pictures()[kind])
    with pytest.raises(ImageError, match="as cameras send it, got a"):
        camera_image(message, OwnConverter(), 0)
