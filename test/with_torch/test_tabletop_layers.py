"""Attention between few and many has the weights and the numbers of plain attention."""

from __future__ import annotations

import pytest
import torch

from sam3_ros.training.tabletop.layers import Attention, FewKeys, FewQueries

WIDTH, FEW, MANY = 96, 7, 300


@pytest.mark.parametrize(
    ("kind", "queries", "keys"), [(FewQueries, FEW, MANY), (FewKeys, MANY, FEW), (FewKeys, MANY, 1)]
)
def test_one_side_is_projected_and_the_answer_is_the_same(
    kind: type[Attention], queries: int, keys: int
) -> None:
    torch.manual_seed(0)
    plain, ours = Attention(WIDTH), kind(WIDTH)
    ours.load_state_dict(plain.state_dict())
    query = torch.randn(2, queries, WIDTH, requires_grad=True)
    key, value = torch.randn(2, keys, WIDTH), torch.randn(2, keys, WIDTH)
    wanted, found = plain(query, key, value), ours(query, key, value)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    gradients = [
        torch.autograd.grad(answer.square().sum(), query, retain_graph=True)[0]
        for answer in (wanted, found)
    ]
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-4, rtol=1e-3)
