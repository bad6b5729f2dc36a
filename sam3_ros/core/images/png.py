"""A PNG: only what its pixels need, so that damaged or huge metadata cannot refuse them."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.colour_order import rgb_of_bgr

PNG_START = b"\x89PNG\r\n\x1a\n"
# Where the header has the kind of its colours, and the one that has a palette.
_COLOUR_TYPE, _PALETTE = 25, 3
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Each costs time. Large pictures have some 50,000 of 8 KB.
_MOST_CHUNKS = 100_000
# libpng unpacks the data to its end, however much it is. What unpacks to hundreds of times its
# size repeats few bytes, while 256 of others have some 160 values; when small it does no harm.
_HARMLESS, _SAMPLES, _SAMPLE, _FEW_VALUES = 200_000, 32, 256, 80


@dataclass(frozen=True)
class PngChunk:
    """One chunk of a PNG (PNG specification, 5.3)."""

    kind: bytes
    #: Where it begins, at its length, and ends, behind its checksum.
    start: int
    end: int

    def is_sound(self, data: bytes) -> bool:
        """Return whether its checksum is right."""
        checksum = int.from_bytes(data[self.end - 4 : self.end], "big")
        return zlib.crc32(memoryview(data)[self.start + 4 : self.end - 4]) == checksum

    def content(self, data: bytes) -> bytes:
        return data[self.start + 8 : self.end - 4]


def png_chunks(data: bytes) -> Iterator[PngChunk]:
    """Yield the whole chunks; the last is IEND, or the data was cut, or there are too many."""
    position, number = len(PNG_START), 0
    while number < _MOST_CHUNKS and position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            return
        chunk = PngChunk(data[position + 4 : position + 8], position, end)
        yield chunk
        if chunk.kind == b"IEND":
            return
        position, number = end, number + 1


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height. Raises ImageError where it does not begin with its header."""
    if data[8:16] != b"\0\0\0\x0dIHDR" or len(data) < 33:
        raise ImageError(f"expected a PNG that begins with its header, got {data[8:16].hex()}")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def is_deep_colour(data: bytes) -> bool:
    """Return whether its header states colours of 16 bits."""
    return data[_COLOUR_TYPE - 1] == 16 and _CHANNELS.get(data[_COLOUR_TYPE], 3) > 2


def decode_png(data: bytes) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Decode a PNG to uint8 or uint16, [H, W] if it is grey, otherwise [H, W, 3], RGB.

    Transparency is ignored: what lies under it is returned. Raises ImageError where it was cut, or
    where a chunk that the pixels need has a wrong checksum.
    """
    chunks = list(png_chunks(data))
    if len(chunks) == _MOST_CHUNKS:
        raise ImageError(f"expected a PNG of fewer than {_MOST_CHUNKS} chunks: save it again")
    if not chunks or chunks[-1].kind != b"IEND":
        raise ImageError(
            f"expected a whole PNG, got {len(data)} bytes without the end chunk: the image was cut "
            "off on its way"
        )
    has_palette = data[_COLOUR_TYPE] == _PALETTE  # with other colours PLTE is a suggestion
    needed = [
        chunk
        for chunk in chunks
        if chunk.kind in _NEEDED and (has_palette or chunk.kind != b"PLTE")
    ]
    for chunk in needed:
        if not chunk.is_sound(data):
            raise ImageError(
                f"expected a whole PNG, got {len(data)} bytes with a wrong checksum in chunk "
                f"{chunk.kind.decode()}: the image was damaged on its way"
            )
    if _is_animated(chunks):
        raise ImageError(
            "expected one image, got an animated PNG: save the frame that you mean, for example "
            "by ffmpeg -i FILE frame_%d.png"
        )
    _require_no_more_data(data, [each for each in needed if each.kind == b"IDAT"])
    return _decoded(b"".join([PNG_START, *(data[each.start : each.end] for each in needed)]))


def _is_animated(chunks: list[PngChunk]) -> bool:
    return sum(chunk.kind == b"fcTL" for chunk in chunks) > 1


def _require_no_more_data(data: bytes, parts: list[PngChunk]) -> None:
    """Raise ImageError for pixel data that unpacks to far more than the pixels."""
    size = sum(each.end - each.start - 12 for each in parts)
    if size < _HARMLESS:
        return
    places = (random.randrange(parts[0].start, parts[-1].end) for _ in range(_SAMPLES))
    if not any(len(set(data[at : at + _SAMPLE])) < _FEW_VALUES for at in places):
        return
    packed = b"".join(each.content(data) for each in parts)
    left, unpacker = _unpacked_size(data), zlib.decompressobj()
    while packed and left >= 0 and not unpacker.eof:
        try:
            left -= len(unpacker.decompress(packed, 1 << 20))
        except zlib.error:
            return  # libpng will say so
        packed = unpacker.unconsumed_tail
    if left < 0:
        width, height = png_size(data)
        raise ImageError(
            f"expected a PNG of {width}x{height} px, got one whose data unpacks to more: it is "
            "damaged or an attack"
        )


def _unpacked_size(data: bytes) -> int:
    """Return how many bytes the pixels have at most, with what interlacing adds."""
    width, height = png_size(data)
    channels = _CHANNELS.get(data[_COLOUR_TYPE], 4)
    row = -(-width * channels * data[_COLOUR_TYPE - 1] // 8) + 1
    return 2 * row * height + 4096


def _decoded(data: bytes) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this PNG: {error}") from error
    if pixels is None:
        raise ImageError(f"expected a whole PNG, got {len(data)} damaged bytes")
    if pixels.ndim == 3:
        return rgb_of_bgr(pixels)
    return pixels  # type: ignore[return-value]
