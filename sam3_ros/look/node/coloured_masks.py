"""A label image as PNG to one that shows its values in colours, mostly without decoding it.

A PNG of 8 bit grey values and one with a palette differ in their header alone: what is compressed
are the same bytes (PNG specification, 11.2). So the header is changed and a palette put behind it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

import cv2
import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.images.png import PNG_START
from sam3_ros.core.pictures.palette import Colour, prompt_colour

_MOST_VALUES = 256
# Of the file: where the header's content lies, and where its chunk ends.
_HEADER, _HEADER_END = 16, 33
_GREY, _PALETTE = 0, 3


def coloured_masks(
    png: bytes, values: Mapping[int, int], colours: Mapping[int, Colour] = MappingProxyType({})
) -> bytes:
    """Return the PNG with each prompt in its colour, transparent where the label image is 0.

    png: mono8 with label values, or mono16 with numbers of objects. values: label value by number
    of the object, for mono16. colours: RGB by label value, of those that have not the prompt's.
    Raises ImageError for another picture.
    """
    _, bits, colour_type = _head(png)
    if colour_type != _GREY or bits not in (8, 16):
        raise ImageError(
            f"expected a label image as PNG of 8 or 16 bit grey values, got {bits} bits of colour "
            f"type {colour_type}"
        )
    grey = png if bits == 8 else _by_prompt(png, values)
    lookup = _lookup(tuple(sorted(colours.items())))
    header = bytearray(grey[_HEADER : _HEADER_END - 4])
    header[9] = _PALETTE
    return b"".join((PNG_START, _chunk(b"IHDR", bytes(header)), lookup, grey[_HEADER_END:]))


def png_size(png: bytes) -> ImageSize:
    """Return the size of a PNG by its header. Raises ImageError for what is none."""
    return _head(png)[0]


def _head(png: bytes) -> tuple[ImageSize, int, int]:
    """Return size, bits and colour type."""
    if len(png) < _HEADER_END or not png.startswith(PNG_START) or png[12:16] != b"IHDR":
        raise ImageError(f"expected a PNG, got {bytes(png[:8])!r} and {len(png)} bytes in all")
    width, height, bits, colour_type = struct.unpack_from(">IIBB", png, _HEADER)
    return ImageSize(height, width), bits, colour_type


def _by_prompt(png: bytes, values: Mapping[int, int]) -> bytes:
    """Return a PNG of label values for one of 16 bit numbers of objects."""
    numbers = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if numbers is None or numbers.dtype != np.uint16 or numbers.ndim != 2:
        raise ImageError("expected a whole PNG of 16 bit grey values")
    # An object whose prompt is not known is shown all the same.
    lookup = (np.arange(2**16) - 1) % (_MOST_VALUES - 2) + 1
    lookup[0] = 0
    for number, value in values.items():
        lookup[number] = value
    _, encoded = cv2.imencode(".png", lookup.astype(np.uint8)[numbers])
    return bytes(encoded)


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


@lru_cache(maxsize=32)
def _lookup(others: tuple[tuple[int, Colour], ...]) -> bytes:
    """Return the chunks of the colours, opaque but for the first value."""
    colours = {value: prompt_colour(value) for value in range(1, _MOST_VALUES)} | dict(others)
    levels = bytes(level for value in range(1, _MOST_VALUES) for level in colours[value])
    return _chunk(b"PLTE", bytes(3) + levels) + _chunk(b"tRNS", b"\0")
