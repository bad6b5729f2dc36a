"""A WebP: its size by its header, and its pixels by OpenCV.

Facts: the WebP container specification and RFC 6386. Pillow makes canvases for an animation before
it tells the size.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.colour_order import rgb_of_bgr

_BEGIN = 12
_LEAST = 30


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height. Raises ImageError where the header is wrong."""
    kind, content = data[_BEGIN : _BEGIN + 4], data[_BEGIN + 8 : _LEAST]
    if len(data) >= _LEAST and kind == b"VP8X":
        return tuple(1 + int.from_bytes(content[at : at + 3], "little") for at in (4, 7))  # type: ignore[return-value]
    if len(data) >= _LEAST and kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a":
        return tuple(int.from_bytes(content[at : at + 2], "little") & 0x3FFF for at in (6, 8))  # type: ignore[return-value]
    if len(data) >= _BEGIN + 13 and kind == b"VP8L" and content[:1] == b"\x2f":
        bits = int.from_bytes(content[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise ImageError(f"expected a whole WebP, got {len(data)} bytes whose header is wrong")


def webp_frames(data: bytes) -> int:
    """Return how many frames an animation has; 1 for a picture."""
    if data[_BEGIN : _BEGIN + 4] != b"VP8X":
        return 1
    position, frames = _BEGIN, 0
    while position + 8 <= len(data):
        frames += data[position : position + 4] == b"ANMF"
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return max(frames, 1)


def decode_webp(data: bytes) -> npt.NDArray[np.uint8]:
    """Return uint8 [H, W, 3], RGB; transparency is ignored. Raises ImageError where it was cut."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this WebP: {error}") from error
    if pixels is None:
        raise ImageError(f"expected a whole WebP, got {len(data)} damaged bytes")
    return np.asarray(rgb_of_bgr(pixels), np.uint8)
