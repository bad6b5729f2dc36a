"""Pictures with captions side by side on one sheet, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.pictures.lettering import lettered
from sam3_ros.core.segmenter.pixels import require_rgb

Pixels = npt.NDArray[np.uint8]
CAPTION_SIZE, CAPTION_HEIGHT, MARGIN = 15, 28, 6
PAPER = (255, 255, 255)
# Of a tile, in widths: what is taller is made narrower, or a sheet of it would fit into no file.
_TALLEST = 4


@dataclass(frozen=True, eq=False)
class Tile:
    """A captioned picture of a contact sheet."""

    #: uint8 [H, W, 3] RGB.
    image: Pixels
    #: One line; what is too wide for the tile is cut.
    caption: str = ""


def contact_sheet(tiles: Sequence[Tile], columns: int = 3, tile_width: int = 320) -> Pixels:
    """Return a sheet, uint8 [H, W, 3] RGB: tiles in reading order, of one width (but for what
    is taller than four times that), captions below.

    Raises ValueError without a tile or for sizes below 1, ImageError for a tile that is not RGB.
    """
    if not tiles or columns < 1 or tile_width < 1:
        raise ValueError(
            "a contact sheet needs a tile, a column and a width of 1 or more, got "
            f"{len(tiles)} tiles, {columns} columns, width {tile_width}"
        )
    columns = min(columns, len(tiles))
    cells = [_cell(tile, tile_width) for tile in tiles]
    height = max(cell.shape[0] for cell in cells)
    rows = -(-len(cells) // columns)
    sheet: Pixels = np.full(
        (rows * (height + MARGIN) + MARGIN, columns * (tile_width + MARGIN) + MARGIN, 3),
        PAPER,
        np.uint8,
    )
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        top, left = MARGIN + row * (height + MARGIN), MARGIN + column * (tile_width + MARGIN)
        sheet[top : top + cell.shape[0], left : left + tile_width] = cell
    return sheet


def _cell(tile: Tile, width: int) -> Pixels:
    image = require_rgb(tile.image)
    scale = min(width / image.shape[1], _TALLEST * width / image.shape[0])
    height, wide = (max(1, round(side * scale)) for side in image.shape[:2])
    cell: Pixels = np.full((height + CAPTION_HEIGHT, width, 3), PAPER, np.uint8)
    cell[:height, :wide] = cv2.resize(image, (wide, height), interpolation=cv2.INTER_AREA)
    ink = lettered(tile.caption, CAPTION_SIZE, width - 2 * MARGIN)[:CAPTION_HEIGHT]
    top = height + (CAPTION_HEIGHT - ink.shape[0]) // 2
    line = cell[top : top + ink.shape[0], MARGIN : MARGIN + ink.shape[1]]
    line[:] = np.minimum(line, 255 - ink[:, :, None])
    return cell
