"""Depth messages to depth images: raw, or as compressed_depth_image_transport compresses them.

| encoding | raw | compressedDepth |
|---|---|---|
| 16UC1, mono16 | millimetres | 12 bytes, and a PNG of the millimetres |
| 32FC1 | metres | 12 bytes with A and B, and a PNG of q = A / metres + B; 0: not measured |

The 12 bytes are, little-endian, an int32 that says nothing here, and the float32 A and B
(compressed_depth_image_transport, compression_common.h and codec.cpp).
"""

from __future__ import annotations

import struct
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.png import PNG_START, decode_png, png_size
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS, require_size
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.ros.images.compressed import CompressedImageMessage
from sam3_ros.ros.images.messages import (
    ImageMessage,
    described,
    require_data,
    require_pixels,
)

_BYTES = {"16UC1": 2, "mono16": 2, "32FC1": 4}
_UNITS = "16UC1 (millimetres) or 32FC1 (metres)"
_HEADER = struct.Struct("<iff")


def depth_image(
    message: ImageMessage | CompressedImageMessage, max_megapixels: float = MAX_MEGAPIXELS
) -> DepthImage:
    """Read a sensor_msgs/Image or CompressedImage of depth; its encoding alone says the unit.

    Raises ImageError for what is no depth, is cut or has more than max_megapixels, and SpaceError
    for float32 depth that cannot be in metres.
    """
    # By their fields: whoever reads a bag without ROS has other classes.
    if hasattr(message, "format"):
        return _decompressed(cast(CompressedImageMessage, message), max_megapixels)
    return _raw(message, max_megapixels)


def _raw(message: ImageMessage, max_megapixels: float) -> DepthImage:
    item = _BYTES.get(message.encoding)
    if item is None:
        raise ImageError(
            f"expected depth as {_UNITS}, got {described(message)}: is it the depth image that is "
            "registered to the camera?"
        )
    require_pixels(message)
    require_size(message.width, message.height, max_megapixels)
    least = message.width * item
    step = message.step or least
    if step < least:
        raise ImageError(
            f"expected a step of at least {least} bytes for {described(message)}, got {step}"
        )
    require_data(message, step * message.height, f"{message.height} rows", step)
    order = ">" if message.is_bigendian else "<"
    values: npt.NDArray[Any] = np.ndarray(
        (message.height, message.width),
        np.dtype(f"{order}{'f' if item == 4 else 'u'}{item}"),
        buffer=memoryview(message.data),  # type: ignore[arg-type]
        strides=(step, item),
    )
    native = np.float32 if item == 4 else np.uint16
    return DepthImage.of_encoding(values.astype(native, copy=False), message.encoding)


def _decompressed(message: CompressedImageMessage, max_megapixels: float) -> DepthImage:
    encoding = _compressed_encoding(message.format)
    data = bytes(message.data)
    picture = data[_HEADER.size :]
    if not picture.startswith(PNG_START):
        raise ImageError(
            f"expected {_HEADER.size} bytes and a PNG for format {message.format[:60]!r}, got "
            f"{len(data)} bytes which begin with {data[:16].hex()}: set the publisher's "
            "compressedDepth format to png"
        )
    require_size(*png_size(picture), max_megapixels)
    values = decode_png(picture)
    if values.ndim != 2 or values.dtype != np.uint16:
        raise ImageError(
            f"expected a grey PNG of 16 bits for format {message.format[:60]!r}, got "
            f"{values.dtype} {list(values.shape)}"
        )
    if encoding != "32FC1":
        return DepthImage.of_encoding(values, encoding)
    _, a, b = _HEADER.unpack_from(data)
    if not (np.isfinite((a, b)).all() and a > 0):
        raise ImageError(
            f"expected the numbers A (above 0) and B of quantised depth, got {a:g} and {b:g}: the "
            "message is damaged"
        )
    return DepthImage.of_encoding(_metres(values, a, b), encoding)


def _metres(values: npt.NDArray[Any], a: float, b: float) -> npt.NDArray[np.float32]:
    """Return the depth of each value, NaN for 0."""
    table = np.full(2**16, np.nan, np.float32)
    levels = np.arange(1, 2**16, dtype=np.float64) - b
    table[1:] = np.divide(a, levels, out=np.full_like(levels, np.nan), where=levels > 0)
    return table[values]


def _compressed_encoding(name: str) -> str:
    """Return the encoding of a message's format, such as "16UC1; compressedDepth png"."""
    encoding, _, codec = (part.strip() for part in name.partition(";"))
    kind, _, form = codec.partition(" ")
    if kind != "compressedDepth":
        raise ImageError(
            f"expected depth by compressedDepth, got format {name[:60]!r}: subscribe to "
            "<depth topic>/compressedDepth, or set depth_transport to raw"
        )
    if form.strip() not in ("", "png"):
        raise ImageError(
            f"expected compressedDepth as PNG, got format {name[:60]!r}: set the publisher's "
            "compressedDepth format to png"
        )
    if encoding not in _BYTES:
        raise ImageError(f"expected depth as {_UNITS}, got format {name[:60]!r}")
    return encoding
