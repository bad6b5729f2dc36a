"""The optimiser of matrices: Muon, which makes every step's change of a matrix nearly orthogonal.

So directions that the gradient hardly shows are learnt too. The image stages had the losses of 300
steps of AdamW after 175; what answers words was no better for it. Sources: Keller Jordan, Muon
(2024), for the method and the polynomial; Liu et al., arXiv 2502.16982, for the size of a step,
which lets AdamW's rates serve. torch.optim.Muon takes no kernels of convolutions, which most of
these matrices are.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_MOMENTUM = 0.95
#: Brings all singular values near 1 in few rounds; they end between 0.7 and 1.2.
_POLYNOMIAL, _ROUNDS = (3.4445, -4.7750, 2.0315), 5
#: The root mean square of a change, in learning rates. With 0.2 they learnt a little slower.
_SIZE = 0.4


class Muon(torch.optim.Optimizer):
    """Takes parameters of two dimensions or more; the first is one side, all others the other."""

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # there is no closure to call
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                past = state["momentum"].lerp_(weight.grad, 1 - _MOMENTUM)
                change = orthogonal(weight.grad.lerp(past, _MOMENTUM).flatten(1))
                scale = _SIZE * max(change.shape) ** 0.5
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(change.view_as(weight), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return the matrix with its singular values near 1, by Newton and Schulz's iteration."""
    a, b, c = _POLYNOMIAL
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x
