"""Masks of tokens in the form that attention takes."""

from __future__ import annotations

import torch
from torch import Tensor

#: Added to what a padding token would be attended with: no weight is left, in float16 as well.
NEVER = -3e4


def attended(valid: Tensor) -> Tensor:
    """bool [P,T], True = valid, as f32 [P,1,1,T] to be added for every head and query."""
    return torch.where(valid, 0.0, NEVER)[:, None, None, :]
