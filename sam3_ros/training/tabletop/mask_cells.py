"""Which cells of a mask training looks at: all along the edge, many near the object, few far away.

A mask has 19,200 cells, and nearly all of them are far from its object and learnt at once. A sample
of a twentieth, dense along the edge (PointRend, arXiv 1912.08193), costs a twentieth, and the edge
of a small object counts as much as that of a large one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sam3_ros.training.tabletop.layers import grid_points

CELLS = 1024
#: How likely a cell is taken, of those at the edge, near the object and elsewhere.
EDGE, NEAR, FAR = 4.0, 1.0, 0.03


def sampled_cells(wanted: Tensor, boxes: Tensor, count: int = CELLS) -> Tensor:
    """Return `count` different cells [M,P] of masks with coverage [M,h,w] and boxes cxcywh [M,4].

    They count along the rows.
    """
    edge = F.max_pool2d(wanted[:, None], 3, 1, 1) + F.max_pool2d(-wanted[:, None], 3, 1, 1)
    chance = torch.where(near(wanted, boxes), NEAR, FAR)
    chance = torch.where(edge[:, 0] > 0.05, EDGE, chance)
    return torch.multinomial(chance.flatten(1), count)


def lattice_cells(height: int, width: int) -> Tensor:
    """Return every second cell of every second row, [P]: enough to tell an overlap."""
    return torch.arange(height * width).view(height, width)[::2, ::2].flatten()


def near(wanted: Tensor, boxes: Tensor) -> Tensor:
    """Return bool [M,h,w]: the cells in the boxes and a margin around them."""
    height, width = wanted.shape[-2:]
    points = grid_points(height, width)[None]
    inside = ((points - boxes[:, None, :2]).abs() < 0.7 * boxes[:, None, 2:] + 0.02).all(-1)
    return inside.unflatten(1, (height, width))


def cell_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return cross-entropy plus dice of sampled cells [M,P], against soft coverage [M,P]."""
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1)
    chance = logits.sigmoid()
    dice = 1 - (2 * (chance * wanted).sum(1) + 1) / ((chance**2).sum(1) + (wanted**2).sum(1) + 1)
    return (3 * entropy + dice).mean()
