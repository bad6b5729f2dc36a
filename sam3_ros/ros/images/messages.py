"""An array to a sensor_msgs/Image."""

from __future__ import annotations

import array
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image
from std_msgs.msg import Header


def image_message(pixels: npt.NDArray[Any], encoding: str, header: Header | None = None) -> Image:
    """Image of uint8 or uint16 pixels [H, W] or [H, W, C], rows packed, in native byte order."""
    height, width = pixels.shape[:2]
    message = Image(
        header=header or Header(),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        step=width * pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1),
    )
    message.data = _bytes_of(pixels)  # the constructor would copy it once more
    return message


def _bytes_of(pixels: npt.NDArray[Any]) -> array.array[int]:
    # The setter takes an array.array as it is and copies anything else element by element;
    # 6 MB take 0.4 ms this way, against 240 ms by array("B", memoryview).
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    return data
