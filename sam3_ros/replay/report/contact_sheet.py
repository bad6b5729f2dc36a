"""Pictures side by side on one sheet, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.pixels import require_rgb

Pixels = npt.NDArray[np.uint8]

CAPTION_HEIGHT, MARGIN = 24, 6
PAPER, INK = (255, 255, 255), (20, 20, 20)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45


@dataclass(frozen=True, eq=False)
class Tile:
    """image: uint8 [H, W, 3] RGB. caption: one line, cut where the tile ends."""

    image: Pixels
    caption: str = ""


def contact_sheet(tiles: Sequence[Tile], columns: int = 3, tile_width: int = 320) -> Pixels:
    """uint8 [H, W, 3] RGB: the tiles in reading order, scaled to one width, captions below.

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
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    cell: Pixels = np.full((height + CAPTION_HEIGHT, width, 3), PAPER, np.uint8)
    cell[:height] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    baseline = (4, height + CAPTION_HEIGHT - 8)
    cv2.putText(cell, tile.caption, baseline, FONT, FONT_SCALE, INK, 1, cv2.LINE_AA)
    return cell
