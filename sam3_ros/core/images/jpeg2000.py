"""A JPEG 2000: what its header makes the decoder set up, before it does (ITU T.800, A and I).

A few bytes can ask for millions of tiles, layers, precincts or blocks, each with a record of its
own, whatever the size of the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.size_bound import require_size

_CODESTREAM, _BOX = b"\xff\x4f\xff\x51", b"jp2c"
_STYLE, _OF_COMPONENT, _ORDER, _TILE_PART, _DATA = 0xFF52, 0xFF53, 0xFF5F, 0xFF90, 0xFF93
_MOST_TILES, _MOST_COLOURS, _MOST_LEVELS = 4096, 4, 32
_MOST_PACKETS, _MOST_BLOCKS = 1 << 21, 1 << 19
_MOST_BOXES, _MOST_MARKERS = 1000, 65_536


def require_bounded_jpeg2000(data: bytes, max_megapixels: float) -> None:
    """Raise ImageError for an image that is larger, or that asks for too many parts."""
    try:
        start = _codestream(data)
        right, bottom, left, top, *tile = struct.unpack_from(">8I", data, start + 8)
        (colours,) = struct.unpack_from(">H", data, start + 40)
        size = right - left, bottom - top
        require_size(*size, max_megapixels)
        tiles = _ceiling(right - tile[2], tile[0]) * _ceiling(bottom - tile[3], tile[1])
        if not 0 < tiles <= _MOST_TILES or not 0 < colours <= _MOST_COLOURS:
            raise ImageError(
                f"expected a JPEG 2000 of at most {_MOST_TILES} tiles and {_MOST_COLOURS} colours, "
                f"got {tiles} and {colours}: save it as PNG"
            )
        layers = 1
        for marker, at in _markers(data, start + 2):
            if marker == _STYLE:
                (layers,) = struct.unpack_from(">H", data, at + 5)
                _require_few_parts(data, at + 9, data[at + 4], layers, tiles * colours, size)
                _require_few_blocks(data, at + 10, size[0] * size[1] * colours)
            elif marker == _OF_COMPONENT:
                _require_few_parts(data, at + 6, data[at + 5], layers, tiles * colours, size)
                _require_few_blocks(data, at + 7, size[0] * size[1] * colours)
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise ImageError(
            f"expected a whole JPEG 2000, got {len(data)} bytes whose header is wrong"
        ) from error


def _codestream(data: bytes) -> int:
    """Return where the codestream begins, alone or in its box."""
    if data.startswith(_CODESTREAM):
        return 0
    position = 0
    for _ in range(_MOST_BOXES):
        size, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            head = 16
        if kind == _BOX and data.startswith(_CODESTREAM, position + head):
            return position + head
        if size < head:
            break
        position += size
    raise ImageError("expected a JPEG 2000 with an image in it, got one without")


def _markers(data: bytes, position: int) -> Iterator[tuple[int, int]]:
    """Yield the markers of the main header, and where they are.

    Raises ImageError where a tile has a style of its own, which is not looked into.
    """
    in_tiles, behind_tile = False, 0
    for _ in range(_MOST_MARKERS):
        if position + 4 > len(data):
            return
        marker, size = struct.unpack_from(">HH", data, position)
        if marker == _TILE_PART:
            (length,) = struct.unpack_from(">I", data, position + 6)
            in_tiles, behind_tile = True, position + length if length else len(data)
        elif in_tiles and marker == _DATA:
            if behind_tile <= position:
                return
            position = behind_tile
            continue
        elif marker == _ORDER or (in_tiles and marker in (_STYLE, _OF_COMPONENT)):
            raise ImageError(
                "expected a JPEG 2000 of one style, got one that changes it within: save it as PNG"
            )
        elif not in_tiles:
            yield marker, position
        if marker >> 8 != 0xFF or size < 2:
            return
        position += 2 + size


def _require_few_parts(
    data: bytes, at: int, flags: int, layers: int, times: int, size: tuple[int, int]
) -> None:
    """Check the packets: layers, times precincts of all resolutions; `at` is the levels' byte."""
    levels = data[at]
    sizes = data[at + 5 : at + 6 + levels] if flags & 1 else b"\xff" * (levels + 1)
    precincts = 0
    for number, exponents in enumerate(sizes):
        smaller = levels - number  # by so many powers of two
        across, down = (
            (side >> smaller >> exponent) + 1
            for side, exponent in zip(size, (exponents & 15, exponents >> 4), strict=True)
        )
        precincts += across * down * _MOST_COLOURS + times
    if levels > _MOST_LEVELS or layers * precincts > _MOST_PACKETS:
        raise ImageError(
            f"expected a JPEG 2000 of at most {_MOST_PACKETS} packets, got {layers} layers of "
            f"{precincts} precincts in {levels} levels: save it as PNG"
        )


def _require_few_blocks(data: bytes, at: int, samples: int) -> None:
    blocks = samples >> ((data[at] & 15) + (data[at + 1] & 15) + 4)
    if blocks > _MOST_BLOCKS:
        raise ImageError(
            f"expected a JPEG 2000 of at most {_MOST_BLOCKS} blocks, got {blocks}: save it as PNG"
        )


def _ceiling(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
