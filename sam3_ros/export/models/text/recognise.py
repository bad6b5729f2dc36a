"""Which text encoder a checkpoint holds, by the shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import torch

from sam3_ros.core.errors import CheckpointError, ExportError
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.models.likeness import ALIKE, likeness
from sam3_ros.export.models.text.encoder import (
    LANGUAGE_BACKBONE,
    TEXT_ENCODERS,
    TextArchitecture,
    TextStage,
    published_name,
    text_architecture,
)
from sam3_ros.export.models.text.mobileclip import MobileClipText
from sam3_ros.export.models.text.sam3_text import Sam3Text

_MOBILECLIP_POSITIONS = "encoder.positional_embedding.pos_embed.pos_embed"
_SAM3_POSITIONS = "encoder.positional_embedding"


def recognise_text(shapes: Shapes) -> TextArchitecture:
    """Return every size from the tensors; the context is as long as the position table.

    Some checkpoints of SAM3-LiteText hold a table of 77 rows and were trained to read 16 or 32:
    their shapes do not show it, TextArchitecture.with_context_length() makes the shorter one.
    Raises CheckpointError where there is no known text encoder, or no position table.
    """
    own = {
        name.removeprefix(LANGUAGE_BACKBONE): tuple(shape)
        for name, shape in shapes.items()
        if name.startswith(LANGUAGE_BACKBONE)
    }
    context = _context_length(own)
    candidates = [
        *(read for reader in (_mobileclip, _sam3) if (read := _read(reader, own, context))),
        *(text_architecture(name, context) for name in TEXT_ENCODERS),
    ]
    found: dict[TextArchitecture, float] = {}
    for candidate in candidates:
        found[candidate] = _likeness(candidate, own)
        if found[candidate] == 1:
            return candidate
    nearest = max(found, key=lambda candidate: found[candidate])
    if found[nearest] >= ALIKE:
        return nearest
    raise CheckpointError(
        f"the {len(own)} tensors below {LANGUAGE_BACKBONE} belong to no known text encoder "
        f"({', '.join(TEXT_ENCODERS)}); the first: {', '.join(sorted(own)[:3])}"
    )


def build_text(architecture: TextArchitecture) -> TextStage:
    """Return the stage `text`, its weights not filled."""
    return Sam3Text(architecture) if architecture.causal else MobileClipText(architecture)


def _context_length(own: Shapes) -> int:
    for name in (_MOBILECLIP_POSITIONS, _SAM3_POSITIONS):
        table = own.get(name, ())
        if len(table) >= 2 and table[-2] > 1:
            return table[-2]
    table = own.get(_MOBILECLIP_POSITIONS, own.get(_SAM3_POSITIONS, ()))
    raise CheckpointError(
        f"no known text encoder: its position table, whose length is the number of tokens it "
        f"reads, should be {LANGUAGE_BACKBONE}{_MOBILECLIP_POSITIONS} (MobileCLIP) or "
        f"{_SAM3_POSITIONS} (SAM 3) of shape [..., tokens, width]; found {len(own)} tensors "
        f"there, and {f'a table {list(table)}' if table else 'no table'}"
    )


def _read(
    reader: Callable[[Shapes, int], TextArchitecture], own: Shapes, context: int
) -> TextArchitecture | None:
    """Return what this reader finds, None where the tensors that show sizes are damaged."""
    try:
        sizes = reader(own, context)
    except (ExportError, LookupError, ValueError):
        return None
    unnamed = f"{sizes.name}-{sizes.layers}x{sizes.width}"
    return replace(sizes, name=published_name(sizes) or unnamed)


def _mobileclip(own: Shapes, context: int) -> TextArchitecture:
    vocabulary, width = own["encoder.embedding_layer.weight"]
    first = own.get("encoder.transformer.0.convffn.conv.conv.weight")
    begins = 0 if first is None else 1
    return TextArchitecture(
        name="mobileclip",
        width=width,
        layers=_count(own, r"encoder\.transformer\.(\d+)\.") - 2 * begins,
        feed_forward=own[f"encoder.transformer.{begins}.pre_norm_ffn.1.weight"][0],
        context_length=context,
        positions=context,
        convolution=None if first is None else first[-1],
        vocabulary=vocabulary,
        d_model=own["projector.weight"][0],
    )


def _sam3(own: Shapes, context: int) -> TextArchitecture:
    vocabulary, width = own["encoder.token_embedding.weight"]
    return TextArchitecture(
        name="sam3",
        width=width,
        layers=_count(own, r"encoder\.transformer\.resblocks\.(\d+)\."),
        feed_forward=own["encoder.transformer.resblocks.0.mlp.c_fc.weight"][0],
        context_length=context,
        positions=context,
        causal=True,
        vocabulary=vocabulary,
        d_model=own["resizer.weight"][0],
    )


def _count(names: Shapes, pattern: str) -> int:
    return len({match[1] for name in names if (match := re.match(pattern, name))})


def _likeness(architecture: TextArchitecture, own: Shapes) -> float:
    """Return the share of the encoder's tensors that are there, in [0, 1], packed ones left out."""
    with torch.device("meta"):
        stage = build_text(architecture)
    return likeness(stage, own, LANGUAGE_BACKBONE)
