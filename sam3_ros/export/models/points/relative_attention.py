"""Attention that knows how many rows and columns lie between two cells.

Li et al., arXiv 2112.01526 (MViTv2), as SAM's ViT uses it: the score of a query and a key is their
product, scaled, plus the products of the query with two learned vectors: one for the rows between
them, one for the columns.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.attention import attend, attends_whole

#: Of the 4096 queries of a whole picture, whose scores at once would take 0.8 GB for 12 heads.
QUERIES_AT_A_TIME = 512
#: GPUs' attention takes heads of whole multiples of this many channels.
GPU_WIDTH = 8


class RelativeAttention(nn.Module):
    """Attention among the cells of squares: f32[B,side,side,C] -> the same.

    Module names are the original's (facebookresearch/segment-anything).
    """

    def __init__(self, channels: int, heads: int, trained_side: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        places = 2 * trained_side - 1
        self.rel_pos_h = nn.Parameter(torch.zeros(places, channels // heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(places, channels // heads))

    def forward(self, cells: Tensor) -> Tensor:
        side = cells.shape[1]
        query, key, value = split_heads(self.qkv(cells), self.heads)
        by_row = products_with(query, relative_table(self.rel_pos_h, side), side, across=False)
        by_column = products_with(query, relative_table(self.rel_pos_w, side), side, across=True)
        read = attend_in_parts(query * self.scale, key, value, by_row, by_column)
        return self.proj(joined_heads(read, side))


class FoldedRelativeAttention(nn.Module):
    """The attention of one side, after its projection: q, k and v as one f32[B,side,side,3C].

    The scale is in the weights of the queries. The bias of the keys adds the same to all scores of
    a query, so it is left out; that of the values, whose weights sum to 1, is in the bias of the
    projection behind. So a cell outside of the picture, whose key and value are their bias, is 0.
    """

    rows: Tensor
    columns: Tensor
    places: Tensor

    def __init__(self, attention: RelativeAttention, side: int) -> None:
        super().__init__()
        self.heads, self.side = attention.heads, side
        weight, bias = attention.qkv.weight.double(), attention.qkv.bias.double()
        channels, scale = len(weight) // 3, attention.scale
        factor = torch.ones(3 * channels, dtype=torch.float64)
        factor[:channels] = scale
        kept = factor.clone()
        kept[channels:] = 0
        self.qkv = _linear(weight * factor[:, None], bias * kept)
        outward = attention.proj.weight.double()
        moved = attention.proj.bias.double() + outward @ bias[2 * channels :]
        self.proj = _linear(outward, moved)
        for name, learned in (("rows", attention.rel_pos_h), ("columns", attention.rel_pos_w)):
            self.register_buffer(name, relative_table(learned.detach(), side) / scale)
        width = math.ceil((channels // self.heads + 2 * side) / GPU_WIDTH) * GPU_WIDTH
        self._spare = width - channels // self.heads - 2 * side
        self.register_buffer("places", F.pad(_row_and_column(side), (0, self._spare)))

    def forward(self, qkv: Tensor) -> Tensor:
        query, key, value = split_heads(qkv, self.heads)
        by_row = products_with(query, self.rows, self.side, across=False)
        by_column = products_with(query, self.columns, self.side, across=True)
        if attends_whole():
            read = self._as_one_product(query, key, value, by_row, by_column)
        else:
            read = attend_in_parts(query, key, value, by_row, by_column)
        return joined_heads(read, self.side)

    def _as_one_product(
        self, query: Tensor, key: Tensor, value: Tensor, by_row: Tensor, by_column: Tensor
    ) -> Tensor:
        """Attend without a bias that is as large as the scores.

        Keys end in a 1 at their row and one at their column, so the products of longer queries and
        keys are the sums.
        """
        query = torch.cat([query, by_row, F.pad(by_column, (0, self._spare))], dim=3)
        key = torch.cat([key, self.places.expand(*key.shape[:2], -1, -1)], dim=3)
        return attend(query, key, value, scale=1.0)


def relative_table(learned: Tensor, side: int) -> Tensor:
    """Return f32[side,side,c]: the vector for each place of a query and of a key.

    learned: f32[2 * trained - 1, c], for a query that lies far before the key, up to far behind it.
    For another side than the trained one vectors lie in between, as in the original.
    """
    distances = 2 * side - 1
    if len(learned) != distances:
        learned = F.interpolate(learned.T[None], size=distances, mode="linear")[0].T
    place = torch.arange(side, device=learned.device)
    return learned[place[:, None] - place + side - 1]


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, ...]:
    """Return query, key and value, each f32[B,H,N,c], of f32[B,side,side,3C]."""
    apart = qkv.flatten(1, 2).unflatten(2, (3, heads, -1))
    return apart.permute(2, 0, 3, 1, 4).unbind(0)


def joined_heads(read: Tensor, side: int) -> Tensor:
    """Return f32[B,side,side,C] of f32[B,H,N,c]."""
    return read.transpose(1, 2).flatten(2).unflatten(1, (side, side))


def products_with(query: Tensor, table: Tensor, side: int, across: bool) -> Tensor:
    """Return f32[B,H,N,side]: each query times the vectors of its row, or column where across."""
    cells = query.unflatten(2, (side, side))
    vectors = table.transpose(1, 2)
    if across:
        return (cells.transpose(2, 3) @ vectors).transpose(2, 3).flatten(2, 3)
    return (cells @ vectors).flatten(2, 3)


def attend_in_parts(
    query: Tensor, key: Tensor, value: Tensor, by_row: Tensor, by_column: Tensor
) -> Tensor:
    """Return f32[B,H,N,c], what each scaled query reads, a few queries at a time."""
    side = by_row.shape[3]
    keys = key.transpose(2, 3)
    parts = (t.split(QUERIES_AT_A_TIME, dim=2) for t in (query, by_row, by_column))
    read = []
    for some, row, column in zip(*parts, strict=True):
        scores = (some @ keys).unflatten(3, (side, side))
        scores = scores + (row[..., None] + column[..., None, :])
        read.append(scores.flatten(3).softmax(dim=3) @ value)
    return torch.cat(read, dim=2) if len(read) > 1 else read[0]


def _row_and_column(side: int) -> Tensor:
    """Return f32[N, 2 side]: for each cell of a square a 1 at its row and one at its column."""
    ones = torch.eye(side)
    return torch.cat([ones.repeat_interleave(side, dim=0), ones.repeat(side, 1)], dim=1)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    with torch.device("meta"):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear = copy.copy(linear)
    linear.weight = nn.Parameter(weight.float().contiguous(), requires_grad=False)
    linear.bias = nn.Parameter(bias.float(), requires_grad=False)
    return linear
