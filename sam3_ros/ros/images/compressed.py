"""A sensor_msgs/CompressedImage to an RGB array.

OpenCV fills the missing part of a truncated JPEG with grey and reports nothing, so the file is
searched for its end marker first. Damage inside an entropy-coded scan that leaves the markers whole
is not detected.
"""

from __future__ import annotations

import re
from typing import Protocol

import cv2
import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.messages import Pixels

_JPEG_START, _JPEG_END, _JPEG_SCAN, _JPEG_FILL = b"\xff\xd8", 0xD9, 0xDA, 0xFF
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
# In a scan FF00 is a data byte, FFD0..FFD7 are restarts; any other marker ends it (ITU T.81 B.1).
_MARKER_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class CompressedImageMessage(Protocol):
    """What is read of a sensor_msgs/CompressedImage."""

    format: str
    data: bytes


def decode_compressed(message: CompressedImageMessage) -> Pixels:
    """Decode a JPEG or PNG to uint8 [H, W, 3], RGB; EXIF orientation is not applied.

    Raises ImageError for anything else and for a truncated file.
    """
    data = bytes(message.data)
    if "compressedDepth" in message.format:
        raise ImageError(f"expected a colour image, got format {message.format!r}: a depth image")
    if data.startswith(_JPEG_START):
        _require_whole_jpeg(data)
    elif data.startswith(_PNG_START):
        _require_whole_png(data)
    else:
        raise ImageError(
            f"expected a JPEG or PNG, got {len(data)} bytes that begin with {data[:4].hex()!r} "
            f"(format {message.format[:40]!r})"
        )
    return _decode(data, message.format)


def _decode(data: bytes, name: str) -> Pixels:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this {name[:40]!r} image: {error}") from error
    if bgr is None:
        raise ImageError(f"expected a whole {name[:40]!r} image, got {len(data)} damaged bytes")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _require_whole_jpeg(data: bytes) -> None:
    position = len(_JPEG_START)
    while (marker := _marker_at(data, position)) is not None:
        if marker == _JPEG_END:
            return
        if marker == _JPEG_FILL:
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        position += 2 + max(length, 2)
        if marker == _JPEG_SCAN:
            found = _MARKER_AFTER_SCAN.search(data, position)
            position = found.start() if found else len(data)
    raise ImageError(
        f"expected a whole JPEG, got {len(data)} bytes without the end marker: the image was cut "
        "off on its way, or the camera sends damaged files"
    )


def _marker_at(data: bytes, position: int) -> int | None:
    """Return the marker's second byte; None at the end of the data or where there is no marker."""
    if position + 1 >= len(data) or data[position] != 0xFF:
        return None
    return data[position + 1]


def _require_whole_png(data: bytes) -> None:
    # Chunks are length, type, body, CRC; libpng itself checks the CRCs.
    position = len(_PNG_START)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == _PNG_END:
            return
        position += 12 + length
    raise ImageError(f"expected a whole PNG, got {len(data)} bytes without the end chunk")
