"""Which text encoder a checkpoint holds, by the shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.models.text.architecture import TextArchitecture, published_name
from sam3_ros.export.models.text.mobileclip import MobileClipText
from sam3_ros.export.models.text.sam3_text import Sam3Text
from sam3_ros.export.models.text.text_stage import LANGUAGE_BACKBONE, TextStage

_MOBILECLIP = "encoder.embedding_layer.weight"
_SAM3 = "encoder.token_embedding.weight"


def recognise_text(shapes: Mapping[str, tuple[int, ...]]) -> TextArchitecture:
    """Every size from the tensors; the context is as long as the position table.

    Some checkpoints of SAM3-LiteText hold a table of 77 rows and were trained to read 16 or 32:
    their shapes do not tell, TextArchitecture.reading() makes the shorter one.
    Raises CheckpointError where there is no text encoder that we know.
    """
    own = {
        name.removeprefix(LANGUAGE_BACKBONE): tuple(shape)
        for name, shape in shapes.items()
        if name.startswith(LANGUAGE_BACKBONE)
    }
    try:
        if _MOBILECLIP in own:
            return _named(_mobileclip(own))
        if _SAM3 in own:
            return _named(_sam3(own))
    except KeyError as error:
        raise CheckpointError(
            f"the checkpoint's text encoder lacks the tensor {LANGUAGE_BACKBONE}{error.args[0]}"
        ) from error
    raise CheckpointError(
        f"no text encoder that we know below {LANGUAGE_BACKBONE}: expected MobileCLIP's "
        f"{_MOBILECLIP} or SAM 3's {_SAM3}, found {len(own)} tensors: "
        f"{', '.join(sorted(own)[:3]) or 'none'}"
    )


def build_text(architecture: TextArchitecture) -> TextStage:
    """The stage `text`, its weights not filled."""
    return Sam3Text(architecture) if architecture.causal else MobileClipText(architecture)


def _mobileclip(own: Mapping[str, tuple[int, ...]]) -> TextArchitecture:
    vocabulary, width = own[_MOBILECLIP]
    first = "encoder.transformer.0.convffn.conv.conv.weight"
    convolution = own[first][-1] if first in own else None
    begins = 0 if convolution is None else 1
    positions = own["encoder.positional_embedding.pos_embed.pos_embed"][2]
    return TextArchitecture(
        name="mobileclip",
        width=width,
        layers=_count(own, r"encoder\.transformer\.(\d+)\.") - 2 * begins,
        feed_forward=own[f"encoder.transformer.{begins}.pre_norm_ffn.1.weight"][0],
        context_length=positions,
        positions=positions,
        convolution=convolution,
        vocabulary=vocabulary,
        d_model=own["projector.weight"][0],
    )


def _sam3(own: Mapping[str, tuple[int, ...]]) -> TextArchitecture:
    vocabulary, width = own[_SAM3]
    positions = own["encoder.positional_embedding"][0]
    return TextArchitecture(
        name="sam3",
        width=width,
        layers=_count(own, r"encoder\.transformer\.resblocks\.(\d+)\."),
        feed_forward=own["encoder.transformer.resblocks.0.mlp.c_fc.weight"][0],
        context_length=positions,
        positions=positions,
        causal=True,
        vocabulary=vocabulary,
        d_model=own["resizer.weight"][0],
    )


def _count(names: Mapping[str, object], pattern: str) -> int:
    return len({match[1] for name in names if (match := re.match(pattern, name))})


def _named(sizes: TextArchitecture) -> TextArchitecture:
    known = published_name(sizes)
    name = known or f"{sizes.name} of {sizes.layers} layers, width {sizes.width}"
    return replace(sizes, name=name)
