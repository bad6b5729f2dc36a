"""sensor_msgs/Image to arrays of 8 bits a channel, whatever its rows look like, and back.

The facts about encodings are those of sensor_msgs/image_encodings.hpp.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.levels import to_eight_bits, white_of
from sam3_ros.core.images.size_bound import require_size

if TYPE_CHECKING:
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

Pixels = npt.NDArray[np.uint8]


class ImageMessage(Protocol):
    """What is read of a sensor_msgs/Image."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def encoding(self) -> str: ...
    @property
    def is_bigendian(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def data(self) -> Sequence[int] | npt.NDArray[np.uint8] | bytes: ...


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
# Rows and bytes that may follow the image in its buffer.
_SPARE_ROWS, _SPARE_BYTES = 64, 4096
#: The encodings whose colours have planes of their own (planar.py).
PLANAR_ENCODINGS = ("nv12", "nv21", "nv24", "yuv420", "yuv420p", "i420", "yv12")
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


_BY_FOLDED_NAME = {name.casefold(): name for name in LAYOUTS}


def layout_of(encoding: str) -> Layout:
    """Return the layout of an encoding with one plane, in capitals or not.

    Raises ImageError for one that no camera image has.
    """
    name = _BY_FOLDED_NAME.get(encoding.strip().casefold())
    if name is None:
        raise ImageError(
            f"expected an image encoding among {', '.join((*LAYOUTS, *PLANAR_ENCODINGS))}; got "
            f"{encoding[:40]!r}: set the camera driver to one of these"
        )
    return LAYOUTS[name]


def pixels_of(message: ImageMessage) -> npt.NDArray[np.generic]:
    """Return uint8 or uint16 [H, W] or [H, W, C], as they are in the message: a view of its bytes.

    Raises ImageError where they do not fit the message's size.
    """
    layout = layout_of(message.encoding)
    item = layout.bytes_a_channel
    rows: npt.NDArray[np.generic] = np.ndarray(
        (message.height, message.width, layout.channels),
        np.dtype(f"{'>' if message.is_bigendian else '<'}u{item}"),
        buffer=memoryview(message.data),  # type: ignore[arg-type]
        strides=(_checked_step(message, layout), layout.bytes_a_pixel, item),
    )
    return rows[:, :, 0] if layout.channels == 1 else rows


def eight_bit_pixels(message: ImageMessage, bit_depth: int = 0) -> Pixels:
    """Return uint8 [H, W] or [H, W, C] in the message's own colour order; a view where possible.

    16 bits are scaled: the highest value of bit_depth becomes 255, with 0 that of 16 bits, as
    cv_bridge does it. Raises ImageError.
    """
    pixels = pixels_of(message)
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    levels = pixels.astype(np.uint16)
    return to_eight_bits(levels, white_of(levels, bit_depth))


def image_message(pixels: npt.NDArray[Any], encoding: str, header: Header | None = None) -> Image:
    """Return an Image of uint8 or uint16 pixels [H, W] or [H, W, C].

    Its rows are packed, in native byte order.
    """
    # Late: bags are read without ROS.
    from sensor_msgs.msg import Image
    from std_msgs.msg import Header

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
    if pixels.size:  # of nothing there is no view
        data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))
    message.data = data
    return message


def require_pixels(message: ImageMessage) -> None:
    """Raise ImageError for an image of nothing."""
    if message.height == 0 or message.width == 0:
        raise ImageError(
            f"expected an image of at least 1x1 px, got {described(message)}: check the camera"
        )


def require_bounded(message: ImageMessage, max_megapixels: float) -> None:
    """Raise ImageError for an image of more than max_megapixels, or of nothing."""
    require_pixels(message)
    layout = _BY_FOLDED_NAME.get(message.encoding.strip().casefold())
    is_deep = layout is not None and LAYOUTS[layout].bytes_a_pixel > 4
    require_size(message.width, message.height, max_megapixels, is_deep=is_deep)


def described(message: ImageMessage) -> str:
    return f"{message.width}x{message.height} {message.encoding[:40]}"


def require_data(message: ImageMessage, needed: int, rows: str, step: int) -> None:
    """Raise ImageError unless the data has the bytes that are needed, and few behind them.

    Some drivers align the number of rows or the buffer. Much more means that the encoding is wrong.
    """
    came = len(message.data)
    if not needed <= came <= needed + max(_SPARE_ROWS * step, _SPARE_BYTES):
        raise ImageError(
            f"expected {needed} bytes ({rows} of {step}) for {described(message)}, got {came}: the "
            "image is cut off, or its encoding or step is wrong"
        )


def _checked_step(message: ImageMessage, layout: Layout) -> int:
    """Return the bytes from one row to the next."""
    require_pixels(message)
    if layout.even_width and message.width % 2:
        raise ImageError(
            "expected an even width, because two pixels share their colour; got "
            f"{described(message)}"
        )
    least = message.width * layout.bytes_a_pixel
    step = message.step
    if step == 0 and len(message.data) == least * message.height:
        step = least  # some drivers leave it out
    if step < least:
        raise ImageError(
            f"expected a step of at least {least} bytes for {described(message)}, got {step}"
        )
    require_data(message, step * message.height, f"{message.height} rows", step)
    return step
