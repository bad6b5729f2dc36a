"""What the attention layers of SAM 3 share: masks and positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers.models.sam3.modeling_sam3 import Sam3SinePositionEmbedding

#: Added to the score of a padding token: its weight becomes 0. float16 has room for it.
NEVER = -8e3


def additive_mask(valid: Tensor) -> Tensor:
    """Return bool [P,T], True = valid, as f32 [P,1,1,T] to be added for every head and query."""
    return torch.where(valid, 0.0, NEVER)[:, None, None, :]


def grid_positions(grid: int, width: int) -> Tensor:
    """Return sine positions of a square grid, f32[1,grid*grid,width], row by row, y before x.

    They are the same for every image. Source: facebookresearch/sam3,
    sam3/model/position_encoding.py, normalised to 2 pi.
    """
    embedding = Sam3SinePositionEmbedding(num_position_features=width // 2, normalize=True)
    table = embedding.build_sine_position_embedding(
        torch.Size((1, width, grid, grid)),
        torch.device("cpu"),
        torch.float32,
        embedding.num_position_features,
        embedding.normalize,
        embedding.scale,
    )
    return table.flatten(2).transpose(1, 2).clone()  # transformers caches the table it returned


def sine_periods(width: int) -> Tensor:
    """Return f32[width/2]: the period of each pair of channels of `sines`, in turns of 2 pi."""
    embedding = Sam3SinePositionEmbedding(num_position_features=width)
    pairs = torch.arange(width // 2, dtype=torch.int64).float()
    return embedding.temperature ** (2 * pairs / width)


def sines(numbers: Tensor, periods: Tensor) -> Tensor:
    """Return the sine and the cosine of each number at each period: [...,n] -> [...,n*2*periods].

    numbers: in [0, 1]. The same numbers as transformers' encode_boxes, for all coordinates at once:
    a fifth of the operators. Source: facebookresearch/sam3, sam3/model/position_encoding.py.
    """
    angles = (numbers * (2 * math.pi))[..., None] / periods
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-3)
