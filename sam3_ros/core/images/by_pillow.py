"""Pillow, for what OpenCV does not read: each file as the kind that it is, by no other plugin."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.images.kinds import FileKind

# Pixels that are taken over from Pillow at once, since it has four bytes for each of them.
_BAND = 1 << 20
# Which of Pillow's plugins may ever open a file, by its name for their kind. The others, of which
# one would start Ghostscript, are never loaded.
_PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "TIFF": "TiffImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "QOI": "QoiImagePlugin",
    "AVIF": "AvifImagePlugin",
}
_ONE_AT_A_TIME = threading.Lock()


def opened(data: bytes | bytearray, kind: FileKind) -> Any:
    """Open a file as the kind that it is, and as no other. Raises ImageError."""
    if not has_plugin(kind.pillow):
        raise ImageError(f"this Pillow does not read {kind.name}: convert it to JPEG or PNG")
    with _pillow_as_we_want_it():
        try:
            return Image.open(BytesIO(data), formats=[kind.pillow])
        except Exception as error:  # SyntaxError, OSError, struct.error and others
            raise ImageError(f"Pillow cannot read it as {kind.name}: {error}") from error


@cache
def has_plugin(name: str) -> bool:
    """Return whether this Pillow reads a kind, by Pillow's name for it."""
    try:
        import_module(f"PIL.{_PLUGINS[name]}")
    except ImportError:
        return False
    return name in Image.OPEN


def loaded(image: Any) -> Any:
    """Return an opened image with its pixels. Raises ImageError."""
    with _pillow_as_we_want_it():
        try:
            image.load()
        except Exception as error:  # OSError where it was cut, and whatever decoders raise
            raise ImageError(f"the picture was cut off or is damaged: {error}") from error
    return image


@contextmanager
def _pillow_as_we_want_it() -> Iterator[None]:
    """Switch off its limit of pixels, for which there is our own, and warnings of metadata.

    Both are of the whole process.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def eight_bits(image: Any) -> npt.NDArray[np.uint8]:
    """Return uint8 [H, W] of grey, otherwise [H, W, 3], RGB; transparency is ignored.

    Raises ImageError for 32 bits.
    """
    if image.mode in ("I", "F"):
        raise ImageError(f"its pixels have 32 bits (mode {image.mode}): save it with 8 or 16")
    whole = loaded(image)
    width, height = whole.size
    is_grey = whole.mode in ("L", "LA", "1")
    pixels = np.empty((height, width) if is_grey else (height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    with _pillow_as_we_want_it():  # a band is checked as a picture is
        for top in range(0, height, rows):
            band = whole.crop((0, top, width, min(top + rows, height)))
            if band.mode == "P":
                # Not at once to RGB: Pillow would warn of the transparency that is left out.
                band = band.convert("RGBA")
            pixels[top : top + rows] = np.asarray(band.convert("L" if is_grey else "RGB"))
    return pixels
