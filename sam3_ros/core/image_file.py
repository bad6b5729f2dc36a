"""Image files: any format to RGB, and to PNG."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from sam3_ros.core.errors import ImageError


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image as uint8 [H, W, 3] RGB, turned upright by its EXIF orientation.

    16 bits are scaled, 65535 to 255; transparency is ignored. Raises ImageError for a file that is
    missing, no image, cut short, or has pixels without a known range (32 bits).
    """
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"cannot read the image {path}: {reason}") from error
    return decode_rgb(data, str(path))


def decode_rgb(data: bytes, name: str = "the image") -> npt.NDArray[np.uint8]:
    """Decode a file's bytes as read_rgb does; the error's text has the name."""
    # Pillow rather than OpenCV, which silently fills the missing part of a cut JPEG with grey.
    try:
        with Image.open(BytesIO(data)) as image:
            wide = _has_16_bits(image)
            upright = ImageOps.exif_transpose(image)
            return _scaled_rgb(upright) if wide else np.array(upright.convert("RGB"), np.uint8)
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is no image that can be decoded: {len(data)} bytes of no known format"
        ) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError and others
        raise ImageError(f"{name} is no image that can be decoded: {error}") from error


def _has_16_bits(image: Image.Image) -> bool:
    """Return whether pixels have 16 bits.

    Raises ValueError for pixels without a known range, which Pillow would cut off at 255.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return True
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels have 32 bits (mode {image.mode}): save it with 8 or 16")
    return False


def _scaled_rgb(grey: Image.Image) -> npt.NDArray[np.uint8]:
    levels = (np.array(grey).astype(np.uint32) + 128) // 257
    return np.repeat(levels.astype(np.uint8)[:, :, None], 3, axis=2)


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return RGB uint8 [H, W, 3] as the bytes of a PNG file, as small as possible."""
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def write_png(path: Path, pixels: npt.NDArray[Any]) -> None:
    """Write RGB uint8 [H, W, 3], or grey uint8 or uint16 [H, W], losslessly as PNG.

    Raises ImageError where the file cannot be written.
    """
    try:
        Image.fromarray(pixels).save(path, format="PNG", compress_level=1)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror or error}") from error
