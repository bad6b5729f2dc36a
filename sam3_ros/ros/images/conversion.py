"""A camera's message to an RGB array: by cv_bridge where ROS brings it, by our own elsewhere."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from sam3_ros.ros.images.pixel_rows import ImageMessage, Pixels, eight_bit_pixels, layout_of


class ImageConverter(Protocol):
    """Both implementations are held to the same tests."""

    name: str

    def to_rgb(self, message: ImageMessage) -> Pixels:
        """uint8 [H, W, 3], RGB; may share memory with the message. Raises ImageError."""
        ...


# YUV is BT.601 with limited range, as cameras send it.
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "bayer_rggb8": cv2.COLOR_BayerRGGB2RGB,
    "bayer_bggr8": cv2.COLOR_BayerBGGR2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGBRG2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGRBG2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
}


class OwnConverter:
    """OpenCV on a view of the message's bytes; nothing is copied before the colours are."""

    name = "own"

    def to_rgb(self, message: ImageMessage) -> Pixels:
        pixels = eight_bit_pixels(message)
        encoding = layout_of(message.encoding).eight_bit_encoding
        if encoding == "rgb8":
            return pixels
        return np.asarray(cv2.cvtColor(pixels, _TO_RGB[encoding]), np.uint8)
