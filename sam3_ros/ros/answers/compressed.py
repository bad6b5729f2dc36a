"""Arrays as sensor_msgs/CompressedImage, named as image_transport names them.

The format says what the pixels were, then what they were compressed to and from, as
compressed_image_transport writes and reads it: "bgr8; jpeg compressed bgr8".
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError

# At 95 files are a third larger; at 80 letters get a visible haze.
_JPEG_QUALITY = 90


def jpeg_message(bgr: npt.NDArray[np.uint8], header: Header) -> CompressedImage:
    """Return uint8 [H, W, 3] BGR as JPEG, for looking at. Raises ImageError beyond 65,500 px."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return _message(bgr, ".jpg", quality, "bgr8; jpeg compressed bgr8", header)


def png_message(pixels: npt.NDArray[Any], encoding: str, header: Header) -> CompressedImage:
    """Return uint8 or uint16 [H, W] as PNG, which keeps every value. encoding: mono8 or mono16."""
    return _message(pixels, ".png", [], f"{encoding}; png compressed ", header)


def _message(
    pixels: npt.NDArray[Any], suffix: str, options: Sequence[int], name: str, header: Header
) -> CompressedImage:
    try:
        is_written, encoded = cv2.imencode(suffix, pixels, options)
    except cv2.error:
        is_written = False
    if not is_written:
        raise ImageError(
            f"expected an image that fits into a {suffix[1:]} file, got {pixels.shape[1]}x"
            f"{pixels.shape[0]} px: subscribe to the raw topic instead"
        )
    message = CompressedImage(header=header, format=name)
    # As for raw images: the setter takes an array.array as it is.
    data = array.array("B")
    data.frombytes(np.asarray(encoded).data)
    message.data = data
    return message
