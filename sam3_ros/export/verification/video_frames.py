"""The images of the video reference cases: drawn by a fixed rule, so that no case holds them.

Two shapes move over a background of noise, on 252 x 252 cells of 4 x 4 pixels. Each number comes
from PCG64 seeded with the video's seed and what it is for; another generator would draw another
video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

SIDE, _CELL = 1008, 4
_CELLS = SIDE // _CELL
_TEXTURE = 96
#: What the generators are for, as the second number of their seeds.
_BACKGROUND, _SURFACE, _PLACES, _GRAIN = range(4)

Floats = npt.NDArray[np.float32]
Cell = TypeVar("Cell", bound=np.generic)


@dataclass(frozen=True)
class _Shape:
    """A shape in cells: half its size, its middle at the start, and its way a frame."""

    is_disc: bool
    half: tuple[int, int]
    start: tuple[int, int]
    way: tuple[int, int]

    def middle(self, frame: int) -> tuple[int, int]:
        row, column = (s + w * frame for s, w in zip(self.start, self.way, strict=True))
        return row, column

    def covers(self, frame: int) -> npt.NDArray[np.bool_]:
        (row, column), (high, wide) = self.middle(frame), self.half
        rows, columns = np.mgrid[:_CELLS, :_CELLS]
        if self.is_disc:
            within = ((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 <= 1
        else:
            within = (np.abs(rows - row) <= high) & (np.abs(columns - column) <= wide)
        return np.asarray(within, np.bool_)


def video_frame(seed: int, frame: int) -> npt.NDArray[np.uint8]:
    """Return the image of a frame, uint8 [1008, 1008, 3] in RGB."""
    scene = _noise(_generator(seed, _BACKGROUND), _CELLS, (4, 16, 63)) * np.float32(0.6)
    for number, shape in enumerate(_shapes(seed)):
        generator = _generator(seed, _SURFACE, number)
        colour = generator.uniform(-0.8, 0.8, 3).astype(np.float32)
        texture = _noise(generator, _TEXTURE, (6, 24, 96)) * np.float32(0.5) + colour
        row, column = shape.middle(frame)
        rows, columns = np.nonzero(shape.covers(frame))
        half = _TEXTURE // 2  # the texture moves with its shape
        scene[rows, columns] = texture[
            (rows - row + half) % _TEXTURE, (columns - column + half) % _TEXTURE
        ]
    grain = _generator(seed, _GRAIN, frame).standard_normal((_CELLS, _CELLS, 3))
    seen = scene + np.float32(0.03) * grain.astype(np.float32)
    return _enlarged(np.clip(np.rint(seen * 127.5 + 127.5), 0, 255).astype(np.uint8))


def video_mask(seed: int, frame: int) -> npt.NDArray[np.bool_]:
    """Return where the first shape is in a frame, bool [1008, 1008]."""
    return _enlarged(_shapes(seed)[0].covers(frame))


def _generator(*seeds: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(seeds)))


def _shapes(seed: int) -> tuple[_Shape, _Shape]:
    (a, b), (c, d) = _generator(seed, _PLACES).integers(-12, 13, size=(2, 2)).tolist()
    return (
        _Shape(is_disc=True, half=(38, 38), start=(92 + a, 74 + b), way=(4, 7)),
        _Shape(is_disc=False, half=(26, 44), start=(172 + c, 178 + d), way=(-6, -5)),
    )


def _noise(generator: np.random.Generator, side: int, blocks: tuple[int, ...]) -> Floats:
    """Return f32 [side, side, 3] in [-1, 1]: noise in blocks of several sizes."""
    total = np.zeros((side, side, 3), np.float32)
    for count in blocks:
        values = generator.standard_normal((count, count, 3)).astype(np.float32)
        each = -(-side // count)
        total += values.repeat(each, axis=0).repeat(each, axis=1)[:side, :side]
    return np.asarray(total / np.abs(total).max(), np.float32)


def _enlarged(cells: npt.NDArray[Cell]) -> npt.NDArray[Cell]:
    return cells.repeat(_CELL, axis=0).repeat(_CELL, axis=1)
