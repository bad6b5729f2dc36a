"""What the attention layers of SAM 3 share: masks, positions, and queries in chunks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.sam3.modeling_sam3 import Sam3SinePositionEmbedding

#: Added to the score of a padding token: its weight becomes 0, in float16 as well.
NEVER = -3e4


def additive_mask(valid: Tensor) -> Tensor:
    """Return bool [P,T], True = valid, as f32 [P,1,1,T] to be added for every head and query."""
    return torch.where(valid, 0.0, NEVER)[:, None, None, :]


def attend_in_chunks(
    query: Tensor, key: Tensor, value: Tensor, at_a_time: int, mask: Tensor | None = None
) -> Tensor:
    """Return scaled dot product attention of f32[B,H,Q,c] queries, taken a few at a time.

    The numbers are the same as of all at once, in less working memory. key, value: f32[B,H,N,c].
    mask: added to the scores, for every query alike.
    """
    chunks = query.split(at_a_time, dim=2)
    read = [F.scaled_dot_product_attention(chunk, key, value, mask) for chunk in chunks]
    return torch.cat(read, dim=2)


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
