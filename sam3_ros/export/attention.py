"""Attention over long sequences, in chunks of queries or as one operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface

_WHOLE: ContextVar[bool] = ContextVar("attention_is_whole", default=False)


def attend_in_chunks(
    query: Tensor, key: Tensor, value: Tensor, at_a_time: int, mask: Tensor | None = None
) -> Tensor:
    """Return scaled dot product attention of f32[B,H,Q,c] queries, taken a few at a time.

    The numbers are the same as of all at once, in less working memory. key, value: f32[B,H,N,c].
    mask: added to the scores, for every query alike. Within `whole_attention` all are taken at
    once.
    """
    if _WHOLE.get():
        return attend(query, key, value, mask)
    chunks = query.split(at_a_time, dim=2)
    read = [F.scaled_dot_product_attention(chunk, key, value, mask) for chunk in chunks]
    return torch.cat(read, dim=2)


def attends_whole() -> bool:
    """Return whether the module is written for an engine with an attention operator of its own."""
    return _WHOLE.get()


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    scale: float | None = None,
) -> Tensor:
    """Return scaled dot product attention, f32[B,H,Q,c].

    mask: added to the scores. scale: of the scores, by default the root of 1 / c.
    """
    # PyTorch's kernels and its exporter disagree on the strides of the result; a copy has none.
    read = F.scaled_dot_product_attention(query, key, value, mask, scale=scale)
    return read.clone(memory_format=torch.contiguous_format)


def _for_transformers(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None = None,
    **_kwargs: object,
) -> tuple[Tensor, None]:
    """Attend as transformers asks for it, [B,H,Q,c] -> [B,Q,H,c]."""
    return attend(query, key, value, attention_mask).transpose(1, 2), None


#: The name of the function for transformers' layers.
_NAME = "sam3_ros_whole"
AttentionInterface.register(_NAME, _for_transformers)


@contextmanager
def whole_attention(module: nn.Module) -> Iterator[None]:
    """Let every attention of the module be one scaled_dot_product_attention within the block.

    An engine with an attention operator of its own never holds the scores, so it needs no chunks.
    transformers' layers follow the configuration that they share.
    """
    configs = {id(c): c for m in module.modules() if (c := _attention_config(m)) is not None}
    before = {key: config._attn_implementation for key, config in configs.items()}
    token = _WHOLE.set(True)
    try:
        for config in configs.values():
            config._attn_implementation = _NAME
        yield
    finally:
        _WHOLE.reset(token)
        for key, config in configs.items():
            config._attn_implementation = before[key]


def _attention_config(module: nn.Module) -> Any:
    config = getattr(module, "config", None)
    return config if getattr(config, "_attn_implementation", None) is not None else None
