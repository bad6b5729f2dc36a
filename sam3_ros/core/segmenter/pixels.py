"""From an RGB image to the numbers that a network takes: check, resize, normalise.

An image is made smaller in bands of rows, one a thread, since Pillow uses one thread and OpenCV's
area interpolation does where the result is small. The bytes are the same: a band begins where a
row of the target begins at a whole row of the source, so that its rows get the weights that they
get in the whole image. Those are ratios of small numbers, which lie much further from a rounding
boundary of Pillow's fixed point or OpenCV's float than a double is inexact.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize

Interpolation = Literal["bilinear", "area", "bilinear_antialias"]
Triple = tuple[float, float, float]

_CV_FLAGS = {"bilinear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA}
# Pillow 9.0, Ubuntu 22.04's, has it beside the images' functions.
_PILLOW_BILINEAR: Any = getattr(Image, "Resampling", Image).BILINEAR
# With fewer pixels a band, starting the threads costs more than they save.
_LEAST_PIXELS = 2**18
_MOST_BANDS = 8


def require_rgb(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the image, contiguous. Raises ImageError unless it is uint8 [H, W, 3], not empty."""
    expected = "an image must be uint8 [H, W, 3] in RGB order"
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{expected}, got a {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(f"{expected}, got shape {list(image.shape)}")
    if image.dtype != np.uint8:
        raise ImageError(f"{expected}, got dtype {image.dtype}: scale it to 0..255 first")
    if image.size == 0:
        raise ImageError(f"{expected} with at least one pixel, got shape {list(image.shape)}")
    if image.strides[1:] == (3, -1):  # `bgr[..., ::-1]`, which numpy copies byte by byte
        return np.asarray(cv2.cvtColor(image[..., ::-1], cv2.COLOR_BGR2RGB), np.uint8)
    return np.ascontiguousarray(image)


def resized(
    image: npt.NDArray[np.uint8], size: ImageSize, interpolation: Interpolation
) -> npt.NDArray[np.uint8]:
    """Resize an image uint8 [H, W, 3]; return the same object where it has the size already."""
    if image.shape[:2] == tuple(size):
        return image
    target = (size.width, size.height)
    if interpolation == "bilinear_antialias":
        return np.asarray(Image.fromarray(image).resize(target, _PILLOW_BILINEAR))
    return np.asarray(cv2.resize(image, target, interpolation=_CV_FLAGS[interpolation]), np.uint8)


def write_resized(
    image: npt.NDArray[np.uint8],
    size: ImageSize,
    interpolation: Interpolation,
    mean: Triple,
    std: Triple,
    planes: npt.NDArray[np.float32],
) -> None:
    """Call write_normalised with the resized image, in bands where that is faster: same bits."""
    source = ImageSize(*image.shape[:2])
    make_band = _BANDS.get(interpolation)
    # OpenCV enlarges by area with another algorithm, which has threads of its own.
    grows = source.height < size.height or source.width < size.width
    if make_band is None or source == size or (make_band is area_band and grows):
        write_normalised(resized(image, size, interpolation), mean, std, planes)
        return

    def write(band: Band) -> None:
        write_normalised(make_band(image, size, band), mean, std, planes[:, band.rows])

    in_bands(source, size, write)


def write_normalised(
    image: npt.NDArray[np.uint8], mean: Triple, std: Triple, planes: npt.NDArray[np.float32]
) -> None:
    """Write (image / 255 - mean) / std into the top left of planes f32[3, h, w]."""
    height, width = image.shape[:2]
    for channel, table in enumerate(_tables(mean, std)):
        # Straight into the plane: copying an image of floats costs more than computing it.
        cv2.LUT(cv2.extractChannel(image, channel), table, planes[channel, :height, :width])


@lru_cache(maxsize=8)
def _tables(mean: Triple, std: Triple) -> npt.NDArray[np.float32]:
    """Return f32[3, 256]: each level of a channel normalised, in torch's order and precision."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255)
    means, stds = (np.array(values, np.float32)[:, None] for values in (mean, std))
    return np.asarray((levels[None] - means) / stds, np.float32)


@dataclass(frozen=True)
class Band:
    """Rows [first, end) of a resized image, and the rows of the source that they come from."""

    first: int
    end: int
    source_first: int
    source_end: int

    @property
    def rows(self) -> slice:
        """The rows of the resized image, for indexing."""
        return slice(self.first, self.end)


def bands_of(source_rows: int, rows: int, most: int) -> list[Band]:
    """Return at most so many bands of about equal height for a resized image, top first."""
    whole = math.gcd(source_rows, rows)  # the number of places where both have a whole row
    cuts = sorted({round(whole * number / most) for number in range(most + 1)})
    high, source_high = rows // whole, source_rows // whole
    return [
        Band(first * high, end * high, first * source_high, end * source_high)
        for first, end in pairwise(cuts)
    ]


def antialiased_band(
    image: npt.NDArray[np.uint8], size: ImageSize, band: Band
) -> npt.NDArray[np.uint8]:
    """Return a band of the image uint8 [H, W, 3] at another size, as Pillow's BILINEAR does it."""
    height, width = image.shape[:2]
    reach = math.ceil(max(height / size.height, 1.0)) + 1  # of the filter, beyond the band
    top, bottom = max(band.source_first - reach, 0), min(band.source_end + reach, height)
    part = Image.fromarray(image[top:bottom])
    box = (0, band.source_first - top, width, band.source_end - top)
    target = (size.width, band.end - band.first)
    return np.asarray(part.resize(target, _PILLOW_BILINEAR, box=box))


def area_band(image: npt.NDArray[np.uint8], size: ImageSize, band: Band) -> npt.NDArray[np.uint8]:
    """Return a band of the image uint8 [H, W, 3] at another size, as OpenCV's INTER_AREA does it.

    The image must not grow in either direction.
    """
    part = image[band.source_first : band.source_end]
    target = (size.width, band.end - band.first)
    return np.asarray(cv2.resize(part, target, interpolation=cv2.INTER_AREA), np.uint8)


def in_bands(source: ImageSize, size: ImageSize, work: Callable[[Band], None]) -> None:
    """Call work with every band of an image that is resized, each in its own thread.

    There are at most as many as OpenCV has threads. Raises what work raises.
    """
    pixels = max(source.height * source.width, size.height * size.width)
    most = min(cv2.getNumThreads(), pixels // _LEAST_PIXELS, _MOST_BANDS)
    first, *others = bands_of(source.height, size.height, max(1, most))
    waiting = [_threads().submit(work, band) for band in others]
    try:
        work(first)
    finally:
        for each in waiting:
            each.result()


_BANDS = {"bilinear_antialias": antialiased_band, "area": area_band}


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST_BANDS - 1, thread_name_prefix="resize")


# A forked child has the pool, but none of its threads.
os.register_at_fork(after_in_child=_threads.cache_clear)
