"""What the processes of test_tabletop_shares.py run; a spawned one imports it by its name."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from sam3_ros.training.tabletop.shares import Share, shared

WHOLE = 4


class Learner(nn.Module):
    """Layers of which the first share alone has use for the third, and nobody for the last."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(3, 5), nn.Linear(5, 2), nn.Linear(5, 1), nn.Linear(2, 2)]
        )

    def forward(self, rows: Tensor, share: Share) -> dict[str, Tensor]:
        hidden = self.layers[0](rows).tanh()
        losses = {"all": self.layers[1](hidden).square().mean()}
        if share.rank == 0:
            losses["first"] = self.layers[2](hidden[:1]).square().mean() * share.count
        return losses


def learn(share: Share, folder: Path) -> None:
    """Make two steps on this share's rows of a batch, and save the weights."""
    torch.manual_seed(0)
    learner = Learner()
    rows = torch.randn(WHOLE, 3, generator=torch.Generator().manual_seed(1))
    optimizer, learns = torch.optim.SGD(learner.parameters(), lr=0.1), shared(learner)
    for _ in range(2):
        losses = learns(rows.chunk(share.count)[share.rank], share)
        optimizer.zero_grad()
        torch.stack([*losses.values()]).sum().backward()
        optimizer.step()
    assert learner.layers[3].weight.grad is None
    torch.save(learner.state_dict(), folder / f"{share.rank}-of-{share.count}.pt")


def fail_second(share: Share) -> None:
    """Raise in the second process."""
    if share.rank == 1:
        raise ValueError("the second cannot")
