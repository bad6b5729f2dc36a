"""Text as ink: how much of each pixel is covered by letters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from sam3_ros.core.pictures.fonts import OWN_FONT, Run, loaded, runs_of

Ink = npt.NDArray[np.uint8]

# More has no place in a picture, and costs time.
_MOST_CHARACTERS = 200
_ELLIPSIS = Run("…", OWN_FONT)


@lru_cache(maxsize=1024)
def lettered(text: str, size: int, most: int | None = None) -> Ink:
    """Return the text in one line, uint8 [H, W], 255 where ink covers the whole pixel.

    size: of the font, px; the height depends on nothing else. most: the widest it may be, px; what
    is longer is cut and ends in an ellipsis, and W is 0 where nothing fits. White space becomes
    single spaces. The array is shared: do not write into it.
    """
    runs = _written(text)
    if most is not None and _length(runs, size) > most:
        runs = _cut(runs, size, most)
    ascent, descent = loaded(OWN_FONT, size).getmetrics()
    width = math.ceil(_length(runs, size))
    # Pillow 9 makes no array of a picture without columns.
    canvas = Image.new("L", (max(width, 1), ascent + descent))
    draw = ImageDraw.Draw(canvas)
    left = 0.0
    for run in runs:
        font = loaded(run.font, size)
        draw.text((round(left), ascent), run.text, fill=255, font=font, anchor="ls")
        left += font.getlength(run.text)
    ink = np.array(canvas, np.uint8)[:, :width]
    ink.flags.writeable = False
    return ink


def line_height(size: int) -> int:
    """Return the height of every text of this size in px."""
    return sum(loaded(OWN_FONT, size).getmetrics())


@lru_cache(maxsize=1024)
def _written(text: str) -> tuple[Run, ...]:
    return runs_of(text[:_MOST_CHARACTERS])


def _cut(runs: Sequence[Run], size: int, most: int) -> tuple[Run, ...]:
    """Return as much of the runs as fits with an ellipsis; nothing if that alone does not."""
    fits, too_long = -1, sum(len(run.text) for run in runs)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        is_short = _length(_begin(runs, middle), size) <= most
        fits, too_long = (middle, too_long) if is_short else (fits, middle)
    return _begin(runs, fits) if fits >= 0 else ()


def _begin(runs: Sequence[Run], characters: int) -> tuple[Run, ...]:
    """Return the first characters of the runs, and an ellipsis."""
    kept = []
    for run in runs:
        kept.append(Run(run.text[:characters], run.font))
        characters -= len(kept[-1].text)
    last = kept[-1]
    return (*kept[:-1], Run(last.text.rstrip(), last.font), _ELLIPSIS)


def _length(runs: Sequence[Run], size: int) -> float:
    return sum(loaded(run.font, size).getlength(run.text) for run in runs)
