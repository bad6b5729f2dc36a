from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

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
