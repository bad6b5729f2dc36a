"""What the config.json beside a model of transformers says that its tensors do not show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sam3_ros.core.errors import CheckpointError

NAME = "config.json"
#: Channels of an attention head of the image encoder and of the text encoder.
_HEAD = 64
#: Attention heads of every other layer.
_HEADS = 8
#: The image encoder attends over the whole picture at the end of each of so many parts.
_QUARTERS = 4
_PATCH = 14
_ENCODERS = ("backbone_config", "text_config")
_OTHERS = (
    "geometry_encoder_config",
    "detr_encoder_config",
    "detr_decoder_config",
    "mask_decoder_config",
)


def require_usual(checkpoint: Path) -> None:
    """Raise CheckpointError where the config.json beside a checkpoint says that it computes else.

    No shape shows how many heads an attention has or which blocks of the image encoder attend over
    the whole picture, and with other ones every answer would be another. Nothing is required where
    there is no such file.
    """
    try:
        document = json.loads((checkpoint.parent / NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return
    if unusual := list(dict.fromkeys(_unusual(document))):
        raise CheckpointError(
            f"{checkpoint.parent / NAME} says {'; '.join(unusual)}: no tensor shows that, and an "
            f"export computes what published models do. Where the file does not belong to "
            f"{checkpoint.name}, take it away"
        )


def _unusual(document: Any) -> Iterator[str]:
    if not isinstance(document, Mapping):
        return
    for name, value in document.items():
        if not isinstance(value, Mapping):
            continue
        if name in _ENCODERS:
            yield from _unusual_encoder(name, value)
        heads = value.get("num_attention_heads", _HEADS)
        if name in _OTHERS and heads != _HEADS:
            yield f"{heads} attention heads in {name}, {_HEADS} were expected"
        yield from _unusual(value)


def _unusual_encoder(name: str, config: Mapping[str, Any]) -> Iterator[str]:
    width, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if isinstance(width, int) and isinstance(heads, int) and width != _HEAD * heads:
        yield f"{heads} attention heads for {width} channels in {name}, heads of {_HEAD} expected"
    patch = config.get("patch_size", _PATCH)
    if name == "backbone_config" and patch != _PATCH:
        yield f"patches of {patch} px in {name}, {_PATCH} were expected"
    layers, everywhere = config.get("num_hidden_layers"), config.get("global_attn_indexes")
    if isinstance(layers, int) and isinstance(everywhere, list):
        usual = [layers * part // _QUARTERS - 1 for part in range(1, _QUARTERS + 1)]
        if everywhere != usual:
            yield f"blocks {everywhere} attend over the whole picture, {usual} were expected"
