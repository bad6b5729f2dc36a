"""A depth image from a file; the type of its numbers says the unit.

| file | numbers | unit |
|---|---|---|
| PNG, TIFF | grey, 16 bits | millimetres |
| TIFF | grey, 32 bits, floating point | metres |
| NumPy's .npy | uint16 | millimetres |
| NumPy's .npy | float32, float64 | metres |

What a file is, is told by its first bytes, not by its name.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import ImageError, Sam3RosError, SpaceError
from sam3_ros.core.image_file import file_content
from sam3_ros.core.images.by_pillow import loaded, opened
from sam3_ros.core.images.kinds import FileKind
from sam3_ros.core.images.orientation import orientation_in
from sam3_ros.core.images.png import PNG_START, decode_png, png_size
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS, require_size
from sam3_ros.core.images.tiff_pages import TIFF_STARTS, main_page
from sam3_ros.core.space.depth_image import DepthImage

Values = npt.NDArray[Any]

_NPY_START = b"\x93NUMPY"
_FORMS = (
    "a PNG or TIFF of 16 bits (millimetres), a TIFF of 32-bit floating point (metres), or a .npy "
    "of uint16 (millimetres) or float32 (metres)"
)


def read_depth(path: Path, max_megapixels: float = MAX_MEGAPIXELS) -> DepthImage:
    """Read a depth image. Raises SpaceError for a file that is none; the reason names the file."""
    try:
        return DepthImage(_values(file_content(path, max_megapixels), max_megapixels))
    except Sam3RosError as error:
        named = str(path) in str(error)
        raise SpaceError(str(error) if named else f"the depth {path}: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"the depth {path} cannot be read: {reason}") from error


def _values(data: bytes, max_megapixels: float) -> Values:
    if data.startswith(PNG_START):
        require_size(*png_size(data), max_megapixels)
        _refuse_turned(orientation_in(data))
        return _of_picture(decode_png(data), "PNG")
    if data.startswith(_NPY_START):
        return _of_npy(data, max_megapixels)
    if data.startswith(TIFF_STARTS):
        return _of_picture(_of_tiff(data, max_megapixels), "TIFF")
    raise SpaceError(
        f"expected {_FORMS}, got a file that begins with {data[:8].hex() or 'nothing'}"
    )


def _of_picture(values: Values, form: str) -> Values:
    if values.ndim == 2 and (values.dtype == np.uint16 or values.dtype == np.float32):
        return values
    colours = "grey" if values.ndim == 2 else f"{values.shape[-1]} colours"
    raise SpaceError(
        f"expected {_FORMS}, got a {form} of {colours}, {values.dtype}: a picture that shows depth "
        "to people has lost its unit"
    )


def _refuse_turned(orientation: int) -> None:
    if orientation != 1:
        raise SpaceError(
            f"its orientation tag ({orientation}) says that it is to be turned: write depth as the "
            "camera saw it, without the tag"
        )


def _of_npy(data: bytes, max_megapixels: float) -> Values:
    stream = BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(
            version, np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
        dtype = dtype.newbyteorder("=")
        # Before memory is taken for what a header claims.
        if dtype not in (np.uint16, np.float32, np.float64) or len(shape) != 2:
            raise SpaceError(f"expected {_FORMS}, [H, W]; got {dtype} {list(shape)}")
        require_size(shape[1], shape[0], max_megapixels)
        values = np.load(BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, TypeError) as error:
        if isinstance(error, Sam3RosError):
            raise
        raise SpaceError(f"expected {_FORMS}, got a damaged .npy: {error}") from error
    native = np.uint16 if dtype == np.uint16 else np.float32
    with np.errstate(over="ignore"):  # float64 beyond float32 is infinite: not measured
        return np.ascontiguousarray(values.astype(native, copy=False))


def _of_tiff(data: bytes, max_megapixels: float) -> Values:
    try:
        _refuse_turned(main_page(data).orientation)  # and what has several pages
        picture = opened(data, FileKind("a TIFF", pillow="TIFF"))
        require_size(picture.width, picture.height, max_megapixels)
        if picture.mode not in ("I;16", "I;16B", "F"):
            raise SpaceError(f"expected {_FORMS}, got a TIFF of the mode {picture.mode}")
        values = np.asarray(loaded(picture))
    except ImageError as error:
        raise SpaceError(f"expected {_FORMS}, got a TIFF that cannot be read: {error}") from error
    native = np.float32 if picture.mode == "F" else np.uint16
    return values.astype(native, copy=False)
