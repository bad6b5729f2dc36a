"""What training looks at of a mask, of a scene and of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam3_ros.training.tabletop import batches
from sam3_ros.training.tabletop.dataset import Sample
from sam3_ros.training.tabletop.layers import MASK_CHANNELS, DynamicMasks, FourierPosition
from sam3_ros.training.tabletop.losses import bounds, cell_weights
from sam3_ros.training.tabletop.mask_cells import sampled_cells
from sam3_ros.training.tabletop.network import CloserLook, TabletopPromptEncoder
from sam3_ros.training.tabletop.train import Phase, Recipe, computes_halves
from sam3_ros.training.tabletop.world import MAX_OBJECTS


def test_cells_alone_give_the_logits_of_the_whole_mask() -> None:
    torch.manual_seed(0)
    masks = DynamicMasks(32)
    pixels, queries = torch.rand(2, MASK_CHANNELS, 6, 8), torch.rand(2, 3, 32)
    boxes, cells = torch.rand(2, 3, 4), torch.randint(48, (2, 3, 10))
    whole = masks(pixels, queries, boxes).flatten(2)
    alone = masks.at(pixels, queries, boxes, cells)
    torch.testing.assert_close(alone, whole.gather(2, cells))


def test_the_edge_of_a_small_object_is_looked_at_whole_and_what_is_far_away_too() -> None:
    torch.manual_seed(0)
    wanted = torch.zeros(1, 120, 160)
    wanted[0, 40:46, 50:58] = 1
    cells = sampled_cells(wanted, bounds(wanted))[0]
    assert len(set(cells.tolist())) == len(cells)
    y, x = cells // 160, cells % 160
    at_edge = (
        (y >= 39) & (y < 47) & (x >= 49) & (x < 59) & ~((y > 40) & (y < 45) & (x > 50) & (x < 57))
    )
    assert at_edge.sum() >= 0.9 * (8 * 10 - 4 * 6)
    assert ((y > 80) | (x > 110)).sum() > 50


def test_an_object_of_four_times_the_cells_counts_twice_as_much() -> None:
    cells = torch.zeros(1, 30, 40, dtype=torch.long)
    cells[0, :2, :2], cells[0, 10:14, 10:14] = 1, 2
    weights = cell_weights(cells)
    assert float(weights[cells == 2].sum() / weights[cells == 1].sum()) == pytest.approx(2)


def test_a_click_on_nothing_is_on_the_bare_table() -> None:
    labels = np.zeros((480, 640), np.uint8)
    labels[200:300, 200:300], labels[50:80, 400:500] = 1, 101
    objects = np.full((MAX_OBJECTS, 2), -1, np.int8)
    view = Sample(np.zeros((240, 320, 3), np.uint8), labels, objects, objects[:, 0] >= 0)
    rng = np.random.default_rng(0)
    clicks = [batches._click(view, rng) for _ in range(150)]
    nothing = [click["points"][0] for click in clicks if click["targets"] == 0]
    assert len(nothing) > 15
    for x, y in nothing:
        assert labels[int(2 * y), int(2 * x)] == 0


def test_places_a_cell_apart_differ() -> None:
    place = FourierPosition(96)
    here, beside, far = place(torch.tensor([[0.5, 0.5], [0.525, 0.5], [0.9, 0.5]]))
    likeness = torch.nn.functional.cosine_similarity
    assert 0.5 < likeness(here, beside, 0) < 0.95
    assert likeness(here, far, 0) < 0.5


def test_a_point_is_found_in_the_fine_map_before_anything_is_learnt() -> None:
    torch.manual_seed(0)
    look, encoder = CloserLook(), TabletopPromptEncoder()
    points = torch.tensor([[[100.3, 50.7], [5.0, 230.0], [310.0, 12.0]]])
    sparse, _ = encoder(
        points, torch.tensor([[1, 0, 2]]), torch.zeros(1, 1, 120, 160), torch.zeros(1)
    )
    down, across = look.whereabouts(sparse)
    found = torch.stack([across[0, :3].argmax(-1), down[0, :3].argmax(-1)], -1)
    assert ((found + 0.5) * 2 - points[0]).abs().max() <= 2.5
    torch.testing.assert_close(down.sum(-1), torch.ones(1, 4))


@pytest.mark.parametrize(
    ("able", "halves"), [({"avx512_bf16": True}, True), ({"avx2": True}, False)]
)
def test_bfloat16_is_for_cpus_that_have_it(
    able: dict[str, bool], halves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert computes_halves() is halves


def test_the_rate_grows_from_nothing_at_the_start_of_each_phase() -> None:
    recipe = Recipe((Phase(20, 1e-3, 1e-4), Phase(20, 2e-3, 1e-4)), warm_up=10)
    rates = [recipe.learning_rate(step) for step in range(recipe.steps)]
    assert rates[0] < rates[9] and rates[20] < rates[29]
    assert rates[39] < rates[30]
