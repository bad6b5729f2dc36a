"""Encoded pictures to pixels: the one decoder of files and of compressed camera frames."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import features

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.by_pillow import eight_bits, has_plugin, loaded, opened
from sam3_ros.core.images.gif import gif_layout
from sam3_ros.core.images.jpeg import decode_jpeg
from sam3_ros.core.images.jpeg2000 import require_bounded_jpeg2000
from sam3_ros.core.images.jpeg_layout import jpeg_layout
from sam3_ros.core.images.kinds import FileKind, kind_of
from sam3_ros.core.images.levels import white_of
from sam3_ros.core.images.netpbm import decode_netpbm, netpbm_size
from sam3_ros.core.images.orientation import orientation_in
from sam3_ros.core.images.png import decode_png, is_deep_colour, png_size
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS, require_size
from sam3_ros.core.images.tiff_pages import main_page
from sam3_ros.core.images.tiff_pixels import (
    has_planes,
    has_sixteen_bits,
    not_read,
    page_alone,
    planes_alone,
    require_known_range,
    require_known_tiles,
    sixteen_bits,
)
from sam3_ros.core.images.webp import decode_webp, webp_frames, webp_size

_ORIENTATION = 0x0112

Levelled = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Decoded:
    """The pixels of a picture, as they lie in the file."""

    #: uint8 or uint16, [H, W] if it is grey, otherwise [H, W, 3], RGB.
    pixels: Levelled
    #: The value that is white.
    white: int
    #: How it was held, 1 to 8 as EXIF counts.
    orientation: int


def decode(
    data: bytes, max_megapixels: float = MAX_MEGAPIXELS, readers: Collection[str] = ()
) -> Decoded:
    """Decode a picture; what it is, its bytes say.

    readers: of the kinds that are expected (FileKind.reader); none for all.

    Damage to metadata is passed over. Raises ImageError for what is no picture or is of a kind that
    is not read, for one that was cut or has more than max_megapixels, and for several pictures in
    one file.
    """
    kind = kind_of(data)
    if kind is None:
        raise ImageError(
            f"{len(data)} bytes of no known format"
            + (f", which begin with {data[:4].hex()}: convert it to JPEG or PNG" if data else "")
        )
    if not kind.reader:
        raise ImageError(f"expected a picture, got {kind.name}: {kind.advice}")
    if readers and kind.reader not in readers:
        raise ImageError(f"expected a picture as cameras send it, got {kind.name}")
    try:
        return _READERS[kind.reader](data, kind, max_megapixels)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # whatever a library raises for bytes that nobody foresaw
        raise ImageError(f"{kind.name} that cannot be decoded: {error}") from error


def _read_jpeg(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    layout = jpeg_layout(data)
    require_size(layout.width, layout.height, max_megapixels)
    pixels = decode_jpeg(data, layout, max_megapixels)
    if len(layout.components) == 4:
        # Pillow's colours of CMYK, which it takes as inverted, as Adobe's programs write it.
        pixels = eight_bits(opened(data[: layout.scans[-1].end] + b"\xff\xd9", kind))
    return Decoded(pixels, 255, orientation_in(data))


def _read_png(data: bytes, _: FileKind, max_megapixels: float) -> Decoded:
    require_size(*png_size(data), max_megapixels, is_deep=is_deep_colour(data))
    pixels = decode_png(data)
    return Decoded(pixels, white_of(pixels, 0), orientation_in(data))


def _read_netpbm(data: bytes, _: FileKind, max_megapixels: float) -> Decoded:
    require_size(*netpbm_size(data), max_megapixels)
    pixels, white = decode_netpbm(data)
    return Decoded(pixels, white, 1)


def _read_tiff(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    page = main_page(data)
    is_deep = page.bits > 8 and page.samples > 2
    require_size(page.width, page.height, max_megapixels, is_deep=is_deep)
    require_known_range(page)
    require_known_tiles(page, max_megapixels)
    orientation = page.orientation
    if has_planes(page):
        grey: list[Levelled] = [
            sixteen_bits(each, page) if page.bits == 16 else eight_bits(opened(each, kind))
            for each in planes_alone(data, page)
        ]
        pixels: Any = grey[0] if len(grey) == 1 else np.stack(grey, axis=2)
        return Decoded(pixels, white_of(pixels, 0), orientation)
    alone = page_alone(data, page)
    if has_sixteen_bits(page):
        return Decoded(sixteen_bits(alone, page), 65535, orientation)
    try:
        image = opened(alone, kind)
    except ImageError as error:
        raise not_read(page) from error
    if not image.mode.startswith("I;16"):
        return Decoded(eight_bits(image), 255, orientation)
    levels = np.asarray(loaded(image)).astype(np.uint16)
    return Decoded(levels, 2 ** (page.bits if 8 < page.bits < 16 else 16) - 1, orientation)


def _read_heif(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    try:
        pillow_heif = import_module("pillow_heif")
    except ImportError as error:
        raise ImageError(
            f"expected a JPEG, PNG or the like, got {kind.name}: convert it to JPEG, or "
            "pip install pillow-heif"
        ) from error
    try:
        images = pillow_heif.open_heif(data)
        width, height = images.size
        require_size(width, height, max_megapixels)
        return Decoded(eight_bits(images.to_pillow()), 255, 1)  # it is turned upright
    except ImageError:
        raise
    except Exception as error:  # libheif's errors have several types
        raise ImageError(f"pillow-heif cannot decode this HEIC file: {error}") from error


def _read_avif(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    if not (has_plugin(kind.pillow) and features.check("avif")):
        raise ImageError(
            f"expected a JPEG, PNG or the like, got {kind.name}: convert it to JPEG, or "
            "pip install 'pillow>=11.3'"
        )
    image = opened(data, kind)
    width, height = image.size
    require_size(width, height, max_megapixels)
    _require_one(getattr(image, "n_frames", 1), kind)
    return Decoded(eight_bits(image), 255, _orientation_by_pillow(image))


def _read_webp(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    require_size(*webp_size(data), max_megapixels)
    _require_one(webp_frames(data), kind)
    return Decoded(decode_webp(data), 255, orientation_in(data))


def _read_gif(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    layout = gif_layout(data)
    require_size(layout.width, layout.height, max_megapixels)
    _require_one(layout.frames, kind)
    return Decoded(eight_bits(opened(layout.alone, kind)), 255, 1)


def _read_jpeg2000(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    require_bounded_jpeg2000(data, max_megapixels)
    return _read_by_pillow(data, kind, max_megapixels)


def _read_by_pillow(data: bytes, kind: FileKind, max_megapixels: float) -> Decoded:
    image = opened(data, kind)
    width, height = image.size
    require_size(width, height, max_megapixels)
    if image.mode.startswith("I;16"):
        levels = np.asarray(loaded(image)).astype(np.uint16)
        return Decoded(levels, 65535, 1)
    return Decoded(eight_bits(image), 255, 1)


def _require_one(frames: int, kind: FileKind) -> None:
    if frames > 1:
        raise ImageError(
            f"expected one image, got {kind.name} of {frames} frames: save the frame that you "
            "mean, for example by ffmpeg -i FILE frame_%d.png"
        )


def _orientation_by_pillow(image: Any) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata
        return 1
    return value if value in range(1, 9) else 1


_READERS = {
    "jpeg": _read_jpeg,
    "png": _read_png,
    "pnm": _read_netpbm,
    "tiff": _read_tiff,
    "bmp": _read_by_pillow,
    "jpeg2000": _read_jpeg2000,
    "gif": _read_gif,
    "webp": _read_webp,
    "heif": _read_heif,
    "avif": _read_avif,
    "pillow": _read_by_pillow,
}
