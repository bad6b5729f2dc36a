"""Clicks and boxes as maps: where they are, by their kind."""

from __future__ import annotations

import torch

from sam3_ros.training.tabletop.network import GRID, MASK_GRID, DrawnMarks, TabletopPromptEncoder


def drawn(points: list[tuple[float, float]], labels: list[int]) -> torch.Tensor:
    """Return the maps [12,30,40] of marks in pixels of 320x240."""
    return DrawnMarks()(torch.tensor([points]).view(1, -1, 2), torch.tensor([labels]).view(1, -1))[
        0
    ]


def test_a_click_is_a_hill_where_it_is_by_its_sign() -> None:
    maps = drawn([(100.0, 60.0), (300.0, 200.0)], [1, 0])
    positive, negative = maps[0], maps[3]
    for map_, (x, y) in ((positive, (100, 60)), (negative, (300, 200))):
        row, column = divmod(int(map_.argmax()), GRID[1])
        assert abs((column + 0.5) * 8 - x) <= 4
        assert abs((row + 0.5) * 8 - y) <= 4
    assert positive[25, 37] < 1e-6
    assert maps[0].sum() < maps[1].sum() < maps[2].sum()
    assert not maps[6:].any()


def test_a_box_is_the_cells_that_it_covers_and_the_places_in_it() -> None:
    covered, hill, x, y, across, down = drawn([(84.0, 40.0), (124.0, 80.0)], [2, 3])[6:]
    wanted = torch.zeros(GRID)
    wanted[5:10, 10:16] = 1.0  # cells of 8 pixels: rows 5 to 9, and columns 10.5 to 15.5
    wanted[:, [10, 15]] *= 0.5
    torch.testing.assert_close(covered, wanted)
    assert int(hill.argmax()) in (7 * GRID[1] + 12, 7 * GRID[1] + 13)
    assert x[7, 10] < 0 < x[7, 15] and y[5, 12] < 0 < y[9, 12]
    torch.testing.assert_close(across, x.abs())
    torch.testing.assert_close(down, y.abs())


def test_a_box_smaller_than_a_cell_is_seen() -> None:
    covered, hill = drawn([(84.0, 44.0), (85.0, 46.0)], [2, 3])[6:8]
    assert 0 < covered.sum() < 0.1
    assert int(hill.argmax()) == 5 * GRID[1] + 10


def test_nothing_is_drawn_of_padding_and_of_no_mark() -> None:
    assert not drawn([(100.0, 60.0), (5.0, 5.0)], [-1, -1]).any()
    assert not drawn([], []).any()


def test_the_prompt_encoder_adds_what_is_drawn_to_the_map() -> None:
    torch.manual_seed(0)
    encoder = TabletopPromptEncoder()
    torch.nn.init.normal_(encoder.draw[-1].weight, std=0.1)
    without = torch.zeros(1, 1, *MASK_GRID), torch.zeros(1)
    _, clicked = encoder(torch.tensor([[[100.0, 60.0]]]), torch.tensor([[1]]), *without)
    _, nothing = encoder(torch.tensor([[[100.0, 60.0]]]), torch.tensor([[-1]]), *without)
    changed = (clicked - nothing).abs().amax(1)[0]
    assert int(changed.argmax()) // GRID[1] in (6, 7, 8)
    assert changed[29, 39] < 0.01 * changed.max()
