"""How a picture was held: its orientation tag, wherever a format keeps it.

Nothing else of the metadata is read, so that none of it, however damaged, can do harm.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from sam3_ros.core.images.jpeg_layout import JPEG_START
from sam3_ros.core.images.png import PNG_START, png_chunks
from sam3_ros.core.images.tiff_pages import orientation_of

_EXIF = b"Exif\0\0"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_IN_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>\s*)([1-8])")
# Keywords of the text chunks of a PNG that may hold it.
_XMP_TEXT = b"XML:com.adobe.xmp"
_TEXTS = (_XMP_TEXT, b"Raw profile type exif", b"Raw profile type APP1")
_APP1, _SOS, _EOI = 0xE1, 0xDA, 0xD9
# What a text chunk of a PNG may unpack to before it is taken for something else.
_MOST_TEXT = 1 << 20
# Of each file: blocks that may hold it, and parts that are passed over. Files have a few.
_MOST_BLOCKS, _MOST_PARTS = 8, 65_536
_FILL = re.compile(rb"\xff+")


def orientation_in(data: bytes) -> int:
    """Return the orientation of a JPEG, PNG or WebP, 1 to 8 as EXIF counts; 1 without any.

    What EXIF states counts before XMP, as for other readers.
    """
    in_xmp = None
    for block in islice(_blocks(data), _MOST_BLOCKS):
        if block.startswith(_EXIF):
            if stated := orientation_of(block[len(_EXIF) :]):
                return stated
        else:
            in_xmp = in_xmp or _IN_XMP.search(block)
    return int(in_xmp[1]) if in_xmp else 1


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn and mirror an image [H, W, ...] as its orientation says (EXIF 2.32, 4.6.4)."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _blocks(data: bytes) -> Iterator[bytes]:
    """Yield what may hold the tag: EXIF with its mark before it, and XMP."""
    if data.startswith(JPEG_START):
        yield from _of_jpeg(data)
    elif data.startswith(PNG_START):
        yield from _of_png(data)
    elif data[:4] == b"RIFF":
        yield from _of_webp(data)


def _of_jpeg(data: bytes) -> Iterator[bytes]:
    position = len(JPEG_START)
    for _ in range(_MOST_PARTS):
        if (fill := _FILL.search(data, position)) is None:
            return
        position = fill.end()
        marker = data[position : position + 1]
        if not marker or marker[0] in (_SOS, _EOI):
            return
        if marker[0] in (0, 0x01) or 0xD0 <= marker[0] <= 0xD8:
            continue
        length = int.from_bytes(data[position + 1 : position + 3], "big")
        content = data[position + 3 : position + 1 + length]
        if marker[0] == _APP1 and content.startswith((_EXIF, _XMP)):
            yield content
        position += 1 + length


def _of_png(data: bytes) -> Iterator[bytes]:
    for chunk in png_chunks(data):
        if chunk.kind == b"eXIf":
            content = chunk.content(data)
            yield content if content.startswith(_EXIF) else _EXIF + content
        elif chunk.kind in (b"iTXt", b"zTXt", b"tEXt"):
            keyword, _, content = chunk.content(data).partition(b"\0")
            if keyword in _TEXTS:
                text = _unpacked(chunk.kind, content)
                yield text if keyword == _XMP_TEXT else _of_raw_profile(text)


def _unpacked(kind: bytes, content: bytes) -> bytes:
    """Return the text of a text chunk behind its keyword; empty where it is damaged."""
    is_packed = kind == b"zTXt"
    if kind == b"iTXt":  # two flags, then a language and a translated keyword
        is_packed = content[:1] == b"\1"
        content = b"\0" + content[2:].partition(b"\0")[2].partition(b"\0")[2]
    if kind == b"tEXt":
        return content
    if not is_packed:
        return content[1:]
    try:
        return zlib.decompressobj().decompress(content[1:], _MOST_TEXT)
    except zlib.error:
        return b""


def _of_raw_profile(text: bytes) -> bytes:
    """Return the EXIF block that ImageMagick writes as hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return b""


def _of_webp(data: bytes) -> Iterator[bytes]:
    position = 12
    for _ in range(_MOST_PARTS):
        if position + 8 > len(data):
            return
        kind = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        content = data[position + 8 : position + 8 + size]
        if kind == b"EXIF":
            yield content if content.startswith(_EXIF) else _EXIF + content
        elif kind == b"XMP ":
            yield content
        position += 8 + size + size % 2
