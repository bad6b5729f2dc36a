"""Muon changes a matrix along all its directions alike, and learns with that."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sam3_ros.training.tabletop.muon import Muon, orthogonal
from sam3_ros.training.tabletop.network import TabletopNetwork
from sam3_ros.training.tabletop.train import image_matrices


@pytest.mark.parametrize("shape", [(24, 108), (96, 96), (192, 40), (1, 30)])
def test_all_directions_of_a_change_are_of_one_size(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(*shape, generator=generator) * 1e-3
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.3 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert (orthogonal(matrix) * (left @ right)).sum() > 0.6 * min(shape)


def test_it_learns_a_convolution_whose_inputs_are_of_unlike_sizes() -> None:
    torch.manual_seed(0)
    sizes = torch.logspace(-1, 1, 8)[:, None, None]
    wanted, found = nn.Conv2d(8, 8, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)
    optimizer = Muon(found.parameters(), lr=0.05, weight_decay=0.0)
    losses = []
    for step in range(200):
        x = torch.randn(4, 8, 9, 9) * sizes
        loss = F.mse_loss(found(x), wanted(x).detach())
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 200)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 1e-2 * losses[0]


def test_the_weights_of_the_image_stages_learn_by_it() -> None:
    network = TabletopNetwork([1, 2])
    chosen = {id(weight) for weight in image_matrices(network)}
    names = {name for name, weight in network.named_parameters() if id(weight) in chosen}
    assert "tracker_neck.coarse.0.weight" in names
    assert "image_trunk.position" not in names
    assert {name.split(".")[0] for name in names} == {
        "image_trunk",
        "detector_neck",
        "tracker_neck",
    }
