"""A PNG: only what its pixels need, so that damaged or huge metadata cannot refuse them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError

PNG_START = b"\x89PNG\r\n\x1a\n"
# Where the header has the kind of its colours, and the one that has a palette.
_COLOUR_TYPE, _PALETTE = 25, 3
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


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
    """Yield the whole chunks; the last is IEND, or the data was cut."""
    position = len(PNG_START)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            return
        chunk = PngChunk(data[position + 4 : position + 8], position, end)
        yield chunk
        if chunk.kind == b"IEND":
            return
        position = end


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height; 0 where it has no header."""
    if data[12:16] != b"IHDR" or len(data) < 24:
        return 0, 0
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def decode_png(data: bytes) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Decode a PNG to uint8 or uint16, [H, W] if it is grey, otherwise [H, W, 3], RGB.

    Transparency is ignored: what lies under it is returned. Raises ImageError where it was cut, or
    where a chunk that the pixels need has a wrong checksum.
    """
    chunks = list(png_chunks(data))
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
    return _decoded(b"".join([PNG_START, *(data[each.start : each.end] for each in needed)]))


def _is_animated(chunks: list[PngChunk]) -> bool:
    return sum(chunk.kind == b"fcTL" for chunk in chunks) > 1


def _decoded(data: bytes) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this PNG: {error}") from error
    if pixels is None:
        raise ImageError(f"expected a whole PNG, got {len(data)} damaged bytes")
    if pixels.ndim == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]
    return pixels  # type: ignore[return-value]
