"""sensor_msgs/Image to arrays of 8 bits a channel, whatever its rows look like, and back.

The facts about encodings are those of sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError

Pixels = npt.NDArray[np.uint8]


class ImageMessage(Protocol):
    """What is read of a sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Sequence[int] | npt.NDArray[np.uint8] | bytes


@dataclass(frozen=True)
class Layout:
    """How an encoding lays out a pixel."""

    #: The encoding that has the same colours with 8 bits a channel.
    eight_bit_encoding: str
    channels: int
    bytes_a_channel: int = 1
    #: Whether two pixels share their colour.
    even_width: bool = False

    @property
    def bytes_a_pixel(self) -> int:
        return self.channels * self.bytes_a_channel


_COLOURS = {"mono": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_BAYERS = ("bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg")
# OpenCV's channels have no names: cv_bridge and the camera drivers take them as BGR.
_NAMELESS = {1: "mono8", 3: "bgr8", 4: "bgra8"}
_UYVY = Layout("yuv422", 2, even_width=True)
_YUYV = Layout("yuv422_yuy2", 2, even_width=True)

LAYOUTS: dict[str, Layout] = {
    **{f"{name}8": Layout(f"{name}8", count) for name, count in _COLOURS.items()},
    **{f"{name}16": Layout(f"{name}8", count, 2) for name, count in _COLOURS.items()},
    **{f"{name}8": Layout(f"{name}8", 1) for name in _BAYERS},
    **{f"{name}16": Layout(f"{name}8", 1, 2) for name in _BAYERS},
    **{f"8UC{count}": Layout(name, count) for count, name in _NAMELESS.items()},
    **{f"16UC{count}": Layout(name, count, 2) for count, name in _NAMELESS.items()},
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
}


def layout_of(encoding: str) -> Layout:
    """Return the layout of an encoding. Raises ImageError for one that no colour image has."""
    if encoding not in LAYOUTS:
        raise ImageError(
            f"expected an image encoding among {', '.join(LAYOUTS)}; got {encoding[:40]!r}: "
            "set the camera driver to one of these"
        )
    return LAYOUTS[encoding]


def eight_bit_pixels(message: ImageMessage) -> Pixels:
    """Return uint8 [H, W] or [H, W, C] in the message's own colour order; a view where possible.

    16 bits are scaled as cv_bridge does it: 65535 becomes 255. Raises ImageError.
    """
    layout = layout_of(message.encoding)
    _check_size(message, layout)
    item = layout.bytes_a_channel
    rows = np.ndarray(
        (message.height, message.width, layout.channels),
        np.dtype(f"{'>' if message.is_bigendian else '<'}u{item}"),
        buffer=memoryview(message.data),  # type: ignore[arg-type]
        strides=(message.step, layout.bytes_a_pixel, item),
    )
    pixels = rows[:, :, 0] if layout.channels == 1 else rows
    if item == 1:
        return pixels
    return np.asarray(cv2.convertScaleAbs(pixels.astype(np.uint16), alpha=1 / 257), np.uint8)


def image_message(pixels: npt.NDArray[Any], encoding: str, header: Header | None = None) -> Image:
    """Return an Image of uint8 or uint16 pixels [H, W] or [H, W, C].

    Its rows are packed, in native byte order.
    """
    height, width = pixels.shape[:2]
    message = Image(
        header=header or Header(),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        step=width * pixels.itemsize * (pixels.shape[2] if pixels.ndim == 3 else 1),
    )
    # The setter takes an array.array as it is and copies anything else element by element: 6 MB
    # take 0.4 ms this way, and 240 ms by array("B", memoryview). The constructor would copy again.
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    message.data = data
    return message


def _check_size(message: ImageMessage, layout: Layout) -> None:
    came = f"{message.width}x{message.height} {message.encoding}"
    if message.height == 0 or message.width == 0:
        raise ImageError(f"expected an image of at least 1x1 px, got {came}: check the camera")
    if layout.even_width and message.width % 2:
        raise ImageError(
            f"expected an even width, because two pixels share their colour; got {came}"
        )
    needed = message.width * layout.bytes_a_pixel
    if message.step < needed:
        raise ImageError(
            f"expected a step of at least {needed} bytes for {came}, got {message.step}"
        )
    if len(message.data) != message.step * message.height:
        raise ImageError(
            f"expected {message.step * message.height} bytes ({message.height} rows of "
            f"{message.step}) for {came}, got {len(message.data)}: the image is cut off, or its "
            "step is wrong"
        )
