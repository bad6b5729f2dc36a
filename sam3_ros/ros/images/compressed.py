"""A sensor_msgs/CompressedImage to the raw image that its publisher had.

`format` is "ENCODING; CODEC compressed TARGET", as compressed_image_transport writes it, or the
codec's name alone. What that publisher hands to the codec (compressed_publisher.cpp):

| encoding | jpeg | png | tiff |
|---|---|---|---|
| rgb8, bgra8, yuv422, ... | "bgr8", converted to it | "bgr8" | "", as it lies |
| rgb16, ... | "bgr8" | "bgr16" | "" |
| mono8, mono16 | "mono8" | "", as it lies | "" |
| bayer_*8, bayer_*16 | "mono8", grey; or "", the mosaic (ROS 1 to Iron) | "", the mosaic | "" |
| 16UC1 | "mono8", which fails | "" | "" |

In quotes is TARGET. OpenCV takes three channels as BGR, and gives them back so: TARGET names an
order in memory, not in the file. Those who write "compressed rgb8" by hand have the right colours
in the file too. So the colours of a colour picture are those of the file, whatever `format` says;
what one channel means, `format` alone says.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import Decoded, decode
from sam3_ros.core.images.levels import to_eight_bits
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.ros.images.messages import Pixels
from sam3_ros.ros.images.planar import is_planar

# What is read of a message: each decoder more is one more that can be attacked.
_READERS = ("jpeg", "png", "tiff", "webp", "bmp")
_VIDEO_CODECS = ("h264", "h265", "hevc", "av1", "vp8", "vp9", "theora")
# Numbers that no camera picture has: distances, disparities, labels.
_NO_PICTURE = ("32f", "64f", "32s", "16s", "8s")
_TILES = ("bayer_rggb", "bayer_bggr", "bayer_gbrg", "bayer_grbg")
_YUVS = ("yuv422", "uyvy", "yuyv", "yuv422_yuy2")


class CompressedImageMessage(Protocol):
    """What is read of a sensor_msgs/CompressedImage."""

    format: str
    data: Any


@dataclass(frozen=True, eq=False)
class RawImage:
    """A decompressed image, with the fields of a sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    step: int
    data: Any
    is_bigendian: int = int(sys.byteorder == "big")


def decompressed(
    message: CompressedImageMessage, max_megapixels: float = MAX_MEGAPIXELS
) -> RawImage:
    """Decode a JPEG, PNG or TIFF to the image that was compressed; EXIF turns no camera image.

    Raises ImageError for what is no camera picture, for one that was cut, and for one of more than
    max_megapixels.
    """
    require_picture(message.format)
    decoded = decode(bytes(message.data), max_megapixels, _READERS)
    pixels = np.ascontiguousarray(_of_whole_bytes(decoded))
    height, width = pixels.shape[:2]
    return RawImage(
        height=height,
        width=width,
        encoding=_encoding(message.format, pixels.ndim == 3, pixels.itemsize * 8),
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )


def decode_compressed(message: CompressedImageMessage, bit_depth: int = 0) -> Pixels:
    """Return uint8 [H, W, 3], RGB; as decompressed() and OwnConverter together."""
    return OwnConverter().to_rgb(decompressed(message), bit_depth)


def require_picture(name: str) -> None:
    """Raise ImageError for a message's format that no camera picture has."""
    if "compressedDepth" in name:
        raise ImageError(
            f"expected a camera picture, got format {name[:60]!r}: a depth image; subscribe to the "
            "camera's colour image"
        )
    encoding = name.partition(";")[0].strip().casefold()
    if encoding.startswith(_NO_PICTURE):
        raise ImageError(
            f"expected a camera picture of 8 or 16 bits, got format {name[:60]!r}: distances or "
            "other numbers; subscribe to the camera's colour image"
        )
    if encoding in _VIDEO_CODECS:
        raise ImageError(
            f"expected single pictures (JPEG, PNG or TIFF), got format {name[:60]!r}: a video "
            "stream; republish it as raw or compressed images"
        )


def _of_whole_bytes(decoded: Decoded) -> np.ndarray[Any, Any]:
    """Return pixels whose white is all bits set."""
    if decoded.white in (255, 65535):
        return decoded.pixels
    return to_eight_bits(decoded.pixels, decoded.white)


def _encoding(name: str, is_colour: bool, bits: int) -> str:
    """Return what the decoded pixels are, by the table above."""
    if is_colour:
        return f"rgb{bits}"
    encoding, _, codec = (part.strip().casefold() for part in name.partition(";"))
    if encoding.startswith(_TILES):
        is_grey = codec.endswith("mono8")
        return f"mono{bits}" if is_grey else f"{encoding.rstrip('0123456789')}{bits}"
    is_yuv = is_planar(encoding) or encoding in _YUVS
    if is_yuv and not codec.endswith(("bgr8", "mono8")):
        raise ImageError(
            f"expected a colour picture for format {name[:60]!r}, got one channel: the bytes of a "
            "YUV image are not read out of a picture; send it as JPEG"
        )
    return f"mono{bits}"
