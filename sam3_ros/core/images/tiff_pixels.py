"""The pixels of one page of a TIFF: the page by itself, by the decoder that reads its kind.

Pillow reads most kinds, but keeps 8 of 16 bits of colours, and no big-endian BigTIFF. OpenCV keeps
16 bits, but returns noise where each colour has a plane of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.colour_order import rgb_of_bgr
from sam3_ros.core.images.tiff_pages import TiffPage, TiffValue, page_values

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES, _PLANES = 273, 279, 324, 325, 284
_EXTRA_SAMPLES, _FORMAT, _TILE_WIDTH, _TILE_HEIGHT = 338, 339, 322, 323
_USUAL_TILE = 1 << 20
# What pixels need; all else is metadata. Beyond TIFF 6.0: tables of JPEG and of LERC.
_NEEDED = {
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, 266, _STRIPS, _SAMPLES, 278),
    *(_STRIP_SIZES, _PLANES, 292, 293, 317, 320, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES),
    *(332, 334),
    *(_EXTRA_SAMPLES, _FORMAT, 347, *range(512, 522), 529, 530, 531, 532, 50674),
}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_WHOLE_NUMBERS, _UNDEFINED = 1, 4
_FORMATS = {2: "signed numbers", 3: "floats", 5: "complex numbers", 6: "complex numbers"}
_COLOURS = {_RGB: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
_SHORT, _LONG = 3, 4
# A strip or a tile each takes time; JPEG has two numbers.
_MOST_PARTS = 65_536
_JPEGS, _PROGRESSIVE = (6, 7), b"\xff\xc2"


def page_alone(data: bytes, page: TiffPage) -> bytearray:
    """Return a TIFF of this page and nothing but what its pixels need: nothing turns it."""
    return _file(data, page, _needed_values(data, page))


def has_planes(page: TiffPage) -> bool:
    """Return whether its colours have planes of their own, which planes_alone parts."""
    is_grey_or_rgb = page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
    return (
        page.first(_PLANES, 1) == 2 and page.samples > 1 and page.bits in (8, 16) and is_grey_or_rgb
    )


def planes_alone(data: bytes, page: TiffPage) -> Iterator[bytearray]:
    """Yield a grey TIFF of each colour."""
    values = _needed_values(data, page)
    for number in range(min(3, page.samples) if page.photometric == _RGB else 1):
        yield _file(data, page, _plane(values, page, number))


def has_sixteen_bits(page: TiffPage) -> bool:
    """Return whether it is grey or RGB of 16 bits, as sixteen_bits reads it."""
    is_rgb = page.photometric == _RGB and page.samples in (3, 4)
    is_grey = page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and page.samples == 1
    return page.bits == 16 and (is_rgb or is_grey)


def sixteen_bits(file: bytearray, page: TiffPage) -> npt.NDArray[np.uint16]:
    """Return grey [H, W] or RGB [H, W, 3] of page_alone or planes_alone. Raises ImageError."""
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"OpenCV cannot decode this TIFF: {error}") from error
    if pixels is None or pixels.dtype != np.uint16:
        raise ImageError("expected a whole TIFF, got one that OpenCV cannot decode: it was cut off")
    if pixels.ndim == 3:
        pixels = rgb_of_bgr(pixels)
    elif page.photometric == _WHITE_IS_ZERO:
        pixels = 65535 - pixels
    return np.asarray(pixels, np.uint16)


def require_known_range(page: TiffPage) -> None:
    """Raise ImageError for floats, signed numbers and 32 bits."""
    form = page.first(_FORMAT, _WHOLE_NUMBERS)
    if form not in (_WHOLE_NUMBERS, _UNDEFINED) or page.bits > 16:
        raise ImageError(
            f"its pixels are {_FORMATS.get(form, 'whole numbers')} of {page.bits} bits, whose "
            "range is not known: save it with 8 or 16 bits"
        )


def not_read(page: TiffPage) -> ImageError:
    """Return the error for a page that no decoder takes."""
    return ImageError(
        f"a TIFF of {page.samples} x {page.bits} bits with compression "
        f"{page.first(_COMPRESSION, 1)} and colours of kind {page.photometric} is not read, or it "
        "is damaged: save it as PNG, or with 8 or 16 bits of grey or RGB"
    )


def _needed_values(data: bytes, page: TiffPage) -> dict[int, TiffValue]:
    values = page_values(data, page, _NEEDED)
    # The decoder is to see the size that was checked, and not another that is a fraction or text.
    for tag, number in ((_WIDTH, page.width), (_HEIGHT, page.height)):
        values[tag] = TiffValue(_LONG, 1, struct.pack(f"{page.order}I", number))
    _require_few_parts(values)
    if page.first(_COMPRESSION, 1) in _JPEGS:
        _require_sequential(data, page.order, values)
    extra = page.samples - _COLOURS.get(page.photometric, 1)
    if _EXTRA_SAMPLES in values and values[_EXTRA_SAMPLES].count != extra:
        del values[_EXTRA_SAMPLES]
    return values


def require_known_tiles(page: TiffPage, max_megapixels: float) -> None:
    """Raise ImageError for tiles that are larger than a picture may be."""
    width, height = page.first(_TILE_WIDTH, 1), page.first(_TILE_HEIGHT, 1)
    if not 0 < width * height <= max_megapixels * 1e6 + _USUAL_TILE:
        raise ImageError(
            f"expected a TIFF whose tiles fit its {page.width}x{page.height} px, got tiles of "
            f"{width}x{height} px: it is damaged, or an attack"
        )


def _require_few_parts(values: dict[int, TiffValue]) -> None:
    for tag in (_STRIPS, _TILES):
        if tag in values and values[tag].count > _MOST_PARTS:
            raise ImageError(
                f"expected a TIFF of at most {_MOST_PARTS} strips or tiles, got "
                f"{values[tag].count}: save it with larger ones"
            )


def _require_sequential(data: bytes, order: str, values: dict[int, TiffValue]) -> None:
    """Raise ImageError for progressive JPEG inside, which no TIFF may have and takes long."""
    for where, size in ((_STRIPS, _STRIP_SIZES), (_TILES, _TILE_SIZES)):
        starts, sizes = (_numbers(values.get(tag), order) for tag in (where, size))
        parts = set(zip(starts, sizes, strict=False))
        if sum(end for _, end in parts) > 2 * len(data):
            raise ImageError("expected a TIFF whose strips are apart, got some that overlap")
        if any(data.find(_PROGRESSIVE, start, start + end) >= 0 for start, end in parts):
            raise ImageError(
                "expected a TIFF with baseline JPEG inside, got progressive JPEG: save it as JPEG"
            )


def _numbers(value: TiffValue | None, order: str) -> tuple[int, ...]:
    code = {_SHORT: "H", _LONG: "I"}.get(value.kind) if value is not None else None
    return struct.unpack(f"{order}{value.count}{code}", value.content) if value and code else ()


def _plane(values: dict[int, TiffValue], page: TiffPage, number: int) -> dict[int, TiffValue]:
    """Return the values of a grey page that is one plane of another."""
    plane = {tag: each for tag, each in values.items() if tag not in (_EXTRA_SAMPLES, _FORMAT)}
    for tag in (_STRIPS, _STRIP_SIZES, _TILES, _TILE_SIZES):
        if tag in plane:
            plane[tag] = plane[tag].part(number, page.samples)
    order = page.order
    plane[_BITS] = TiffValue(_SHORT, 1, struct.pack(f"{order}H", page.bits))
    plane[_SAMPLES] = TiffValue(_SHORT, 1, struct.pack(f"{order}H", 1))
    plane[_PLANES] = TiffValue(_SHORT, 1, struct.pack(f"{order}H", 1))
    grey = page.photometric if page.photometric != _RGB else _BLACK_IS_ZERO
    plane[_PHOTOMETRIC] = TiffValue(_SHORT, 1, struct.pack(f"{order}H", grey))
    return plane


def _file(data: bytes, page: TiffPage, values: dict[int, TiffValue]) -> bytearray:
    """Return a TIFF of these values alone, not a BigTIFF, whose pixels lie where they were."""
    order = page.order
    file = bytearray(data)  # as large as the picture: one copy
    file += bytes(len(file) % 2)
    file[:4] = b"II*\0" if order == "<" else b"MM\0*"
    fields = bytearray(struct.pack(f"{order}H", len(values)))
    for tag, value in sorted(values.items()):
        content = value.content.ljust(4, b"\0")
        if len(content) > 4:
            content = struct.pack(f"{order}I", len(file))
            file += value.content + bytes(len(value.content) % 2)
        fields += struct.pack(f"{order}HHI", tag, value.kind, value.count) + content
    struct.pack_into(f"{order}I", file, 4, len(file))
    file += fields + bytes(4)
    return file
