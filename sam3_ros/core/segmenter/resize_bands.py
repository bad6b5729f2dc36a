"""A picture made smaller in bands of rows, one a thread: the same bytes in a part of the time.

Pillow uses one thread, and OpenCV's area one where the result is small. A band begins where a row
of the target begins at a whole row of the source, so that its rows get the weights that they get
in the whole: those are ratios of small numbers, which lie much further from where they would be
rounded otherwise, to Pillow's fixed point or OpenCV's float, than a double is inexact.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from sam3_ros.core.geometry import ImageSize

# A thread's share must be worth waking it.
_LEAST_PIXELS = 2**18
_MOST_BANDS = 8


@dataclass(frozen=True)
class Band:
    """Rows [first, end) of a resized image, and the rows of the source that they stand for."""

    first: int
    end: int
    source_first: int
    source_end: int

    @property
    def rows(self) -> slice:
        return slice(self.first, self.end)


def bands_of(source_rows: int, rows: int, most: int) -> list[Band]:
    """The rows of a resized image in at most so many bands of like height, top first."""
    whole = math.gcd(source_rows, rows)  # into so many parts both are cut at whole rows
    cuts = sorted({round(whole * number / most) for number in range(most + 1)})
    high, source_high = rows // whole, source_rows // whole
    return [
        Band(first * high, end * high, first * source_high, end * source_high)
        for first, end in pairwise(cuts)
    ]


def antialiased_band(
    image: npt.NDArray[np.uint8], size: ImageSize, band: Band
) -> npt.NDArray[np.uint8]:
    """Those rows of the image uint8 [H, W, 3] at another size, as Pillow's BILINEAR gives them."""
    height, width = image.shape[:2]
    reach = math.ceil(max(height / size.height, 1.0)) + 1  # of the filter, beyond the band
    top, bottom = max(band.source_first - reach, 0), min(band.source_end + reach, height)
    part = Image.fromarray(image[top:bottom])
    box = (0, band.source_first - top, width, band.source_end - top)
    target = (size.width, band.end - band.first)
    return np.asarray(part.resize(target, Image.Resampling.BILINEAR, box=box))


def area_band(image: npt.NDArray[np.uint8], size: ImageSize, band: Band) -> npt.NDArray[np.uint8]:
    """Those rows of the image uint8 [H, W, 3] at another size, as OpenCV's INTER_AREA."""
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


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_MOST_BANDS - 1, thread_name_prefix="resize")


# A forked child has the pool, but none of its threads.
os.register_at_fork(after_in_child=_threads.cache_clear)
