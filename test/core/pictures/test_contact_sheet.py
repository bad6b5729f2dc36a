from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.pictures.contact_sheet import CAPTION_HEIGHT, MARGIN, Tile, contact_sheet


def plain(colour: tuple[int, int, int], height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def test_tiles_are_in_reading_order_at_one_width():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    sheet = contact_sheet([Tile(plain(colour)) for colour in colours], columns=2, tile_width=40)
    step = 30 + CAPTION_HEIGHT + MARGIN
    assert sheet.shape == (2 * step + MARGIN, 2 * (40 + MARGIN) + MARGIN, 3)
    middles = [(20, 20), (20, 20 + 40 + MARGIN), (20 + step, 20)]
    assert [tuple(sheet[place]) for place in middles] == colours


def test_captions_of_a_sheet_may_be_in_any_script():
    one, other = (
        contact_sheet([Tile(plain((9, 9, 9)), caption)], tile_width=80) for caption in "дж"
    )
    assert (one != other).any()


def test_a_caption_is_written_below_its_picture():
    blank, written = (
        contact_sheet([Tile(plain((9, 9, 9)), caption)], tile_width=80) for caption in ("", "red")
    )
    changed = np.flatnonzero((blank != written).any(axis=(1, 2)))
    assert changed.size
    assert changed.min() >= MARGIN + 60


def test_fewer_tiles_than_columns_make_a_narrow_sheet():
    assert contact_sheet([Tile(plain((0, 0, 0)))], 5, 40).shape[1] == 40 + 2 * MARGIN


def test_pictures_of_several_shapes_share_a_sheet():
    sheet = contact_sheet([Tile(plain((1, 2, 3))), Tile(plain((1, 2, 3), 80, 40))], 2, 40)
    assert sheet.shape[0] == 80 + CAPTION_HEIGHT + 2 * MARGIN


@pytest.mark.parametrize(("tiles", "columns", "width"), [(0, 3, 40), (1, 0, 40), (1, 3, 0)])
def test_nothing_to_show_is_refused(tiles, columns, width):
    with pytest.raises(ValueError, match="1 or more"):
        contact_sheet([Tile(plain((0, 0, 0)))] * tiles, columns, width)


def test_a_grey_picture_is_refused():
    with pytest.raises(ImageError):
        contact_sheet([Tile(np.zeros((4, 4), np.uint8))])


def test_a_tall_picture_is_made_narrower():
    sheet = contact_sheet([Tile(plain((1, 2, 3), 1, 1000))], 1, 40)
    assert sheet.shape[0] < 250
