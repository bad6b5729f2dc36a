"""Pictures on disk: RGB in, PNG out."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from sam3_ros.core.errors import ImageError


def read_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """The picture as uint8 [H, W, 3] RGB, turned upright as its EXIF orientation says.

    Raises ImageError for a file that is not there, is no picture, or is cut short.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read the image {path}: {error.strerror or error}") from error
    return decode_rgb(data, str(path))


def decode_rgb(data: bytes, name: str = "the image") -> npt.NDArray[np.uint8]:
    """Like read_rgb, of a file's bytes; the name is for the error's text."""
    # Pillow rather than OpenCV, which fills what a cut JPEG lacks with grey and says nothing.
    try:
        with Image.open(BytesIO(data)) as picture:
            upright = ImageOps.exif_transpose(picture)
            return np.array(upright.convert("RGB"), np.uint8)
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError and others
        raise ImageError(f"{name} is no picture that can be decoded: {error}") from error


def write_png(path: Path, pixels: npt.NDArray[Any]) -> None:
    """Write RGB uint8 [H, W, 3], or grey uint8 or uint16 [H, W], without loss.

    Raises ImageError where the file cannot be written.
    """
    try:
        Image.fromarray(pixels).save(path, format="PNG", compress_level=1)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror or error}") from error
