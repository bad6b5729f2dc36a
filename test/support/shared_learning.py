"""What the processes of test_tabletop_shares.py run; a spawned one imports it by its name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from sam3_ros.training.tabletop.shares import Share, average_gradients

WHOLE = 4


def learn(share: Share, folder: Path) -> None:
    """Make two steps on this share's rows of a batch, and save the weights.

    Only the first share has use for the third layer, and nobody for the last.
    """
    torch.manual_seed(0)
    layers = nn.ModuleList([nn.Linear(3, 5), nn.Linear(5, 2), nn.Linear(5, 1), nn.Linear(2, 2)])
    rows = torch.randn(WHOLE, 3, generator=torch.Generator().manual_seed(1))
    mine = rows.chunk(share.count)[share.rank]
    optimizer = torch.optim.SGD(layers.parameters(), lr=0.1)
    for _ in range(2):
        hidden = layers[0](mine).tanh()
        loss = layers[1](hidden).square().mean()
        if share.rank == 0:
            loss = loss + layers[2](hidden[:1]).square().mean() * share.count
        optimizer.zero_grad()
        loss.backward()
        average_gradients(layers)
        optimizer.step()
    assert layers[3].weight.grad is None
    torch.save(layers.state_dict(), folder / f"{share.rank}-of-{share.count}.pt")


def fail_second(share: Share) -> None:
    """Raise in the second process."""
    if share.rank == 1:
        raise ValueError("the second cannot")
