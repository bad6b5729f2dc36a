"""Image files: any format to RGB, and to PNG."""

from __future__ import annotations

import logging
import os
import stat
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.decoding import Decoded, decode
from sam3_ros.core.images.levels import (
    check_bit_depth,
    finding_on,
    levels_of,
    to_eight_bits,
    white_of,
)
from sam3_ros.core.images.orientation import upright
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.core.whole_file import write_whole

_LOG = logging.getLogger(__name__)
# What is no plain file; a device such as /dev/video0 has no end, and a pipe may never begin.
_NO_FILES = (
    (stat.S_ISCHR, "the device"),
    (stat.S_ISBLK, "the device"),
    (stat.S_ISFIFO, "the pipe"),
    (stat.S_ISSOCK, "the socket"),
)
_ADVICE = {
    "the device": ": sam3-ros node --camera N plays that of a camera",
    "the pipe": ": write it to a file first",
}
# A pixel takes at most four colours of 16 bits, and metadata may be large.
_BYTES_A_MEGAPIXEL, _METADATA = 8_000_000, 64_000_000


@dataclass(frozen=True, eq=False)
class Picture:
    """An image file that was read."""

    #: uint8 [H, W, 3], RGB, upright.
    rgb: npt.NDArray[np.uint8]
    #: What is suspicious about it, such as a picture that is nearly black.
    warnings: tuple[str, ...]
    #: Whether its orientation tag has turned or mirrored the file's pixels.
    is_turned: bool = False


def read_picture(path: Path, bit_depth: int = 0, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Read an image as uint8 [H, W, 3] RGB, turned upright by its orientation tag.

    16 bits are scaled: what is white by bit_depth (8 to 16; 0 for the file's own) becomes 255.
    Transparency is ignored, and damage to metadata passed over. Raises ImageError for a file that
    is missing or no plain file, no image, cut short, or larger than max_megapixels; for several
    images in one file; and for pixels without a known range (32 bits).
    """
    try:
        data = file_content(path, max_megapixels)
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read the image {path}: {reason}") from error
    return decode_picture(data, str(path), bit_depth, max_megapixels)


def file_content(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> bytes:
    """Return the bytes of a plain file; whatever else it is, do not wait for it.

    Raises ImageError for what is no plain file, or too long for so many megapixels; OSError.
    """
    _require_plain_file(path, path.stat().st_mode)  # opening a device may already do something
    with open(path, "rb", opener=_opened_at_once) as file:
        found = os.fstat(file.fileno())
        _require_plain_file(path, found.st_mode)
        most = int(max_megapixels * _BYTES_A_MEGAPIXEL) + _METADATA
        data = file.read(most + 1)
    if len(data) > most:
        raise ImageError(
            f"expected an image file of at most {most // 1_000_000} MB, as {max_megapixels:g} "
            f"megapixels may have, got the file {path} of {max(found.st_size, most) // 1_000_000} "
            "MB: if that is meant, set max_megapixels (--max-megapixels) to more"
        )
    return data


def _opened_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _require_plain_file(path: Path, mode: int) -> None:
    for is_one, name in _NO_FILES:
        if is_one(mode):
            raise ImageError(f"expected an image file, got {name} {path}{_ADVICE.get(name, '')}")


def decode_picture(
    data: bytes,
    name: str = "the image",
    bit_depth: int = 0,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Picture:
    """Decode a file's bytes as read_picture does; the error's text has the name."""
    check_bit_depth(bit_depth)
    try:
        decoded = decode(data, max_megapixels)
    except ImageError as error:
        raise ImageError(f"{name} is no image that can be decoded: {error}") from error
    return _picture(decoded, bit_depth)


def read_rgb(
    path: Path, bit_depth: int = 0, max_megapixels: float = MAX_MEGAPIXELS
) -> npt.NDArray[np.uint8]:
    """Return the pixels that read_picture reads; its warnings go to the log."""
    picture = read_picture(path, bit_depth, max_megapixels)
    for warning in picture.warnings:
        _LOG.warning("%s: %s", path, warning)
    return picture.rgb


def decode_rgb(data: bytes, name: str = "the image") -> npt.NDArray[np.uint8]:
    """Return the pixels that decode_picture decodes."""
    return decode_picture(data, name).rgb


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return RGB uint8 [H, W, 3] as the bytes of a PNG file, as small as possible."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def write_png(path: Path, pixels: npt.NDArray[Any]) -> None:
    """Write RGB uint8 [H, W, 3], or grey uint8 or uint16 [H, W], losslessly as PNG.

    Raises ImageError where the file cannot be written.
    """
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", compress_level=1)
    try:
        write_whole(path, stream.getbuffer())
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror or error}") from error


def _picture(decoded: Decoded, bit_depth: int) -> Picture:
    pixels = decoded.pixels
    white = decoded.white if decoded.white != 65535 else white_of(pixels, bit_depth)
    finding = finding_on(levels_of(pixels, white), _remedy)
    levels = to_eight_bits(pixels, white)
    if levels.ndim == 2:
        levels = np.repeat(levels[:, :, None], 3, axis=2)
    turned = upright(levels, decoded.orientation)
    return Picture(
        turned, (finding,) if finding else (), is_turned=decoded.orientation not in (0, 1)
    )


def _remedy(bits: int) -> str:
    return f"set --bit-depth {bits} (bit_depth={bits} in Python)"
