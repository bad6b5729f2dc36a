"""SAM 3's own text encoder: CLIP's, with the features of all tokens and a layer that resizes them.

Tokens see earlier tokens only; padding comes last, so no token sees it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPEncoder

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.models.text.encoder import LANGUAGE_BACKBONE, TextArchitecture, TextStage

UNNEEDED: tuple[Unneeded, ...] = (
    Unneeded(
        r"detector\.backbone\.language_backbone\.encoder\.text_projection",
        "projects the end token into CLIP's space, which SAM 3 does not use",
    ),
)

_LAYER = r"encoder\.layers\.(\d+)\."
_BLOCK = r"encoder.transformer.resblocks.\1."
_NAMES = NameRules(
    (
        (r"embedding\.weight", "encoder.token_embedding.weight"),
        (r"positions", "encoder.positional_embedding"),
        (r"norm\.(.*)", r"encoder.ln_final.\1"),
        (r"resizer\.(.*)", r"resizer.\1"),
        (_LAYER + r"self_attn\.q_proj\.(.*)", _BLOCK + r"attn.in_proj_\2#0"),
        (_LAYER + r"self_attn\.k_proj\.(.*)", _BLOCK + r"attn.in_proj_\2#1"),
        (_LAYER + r"self_attn\.v_proj\.(.*)", _BLOCK + r"attn.in_proj_\2#2"),
        (_LAYER + r"self_attn\.out_proj\.(.*)", _BLOCK + r"attn.out_proj.\2"),
        (_LAYER + r"layer_norm1\.(.*)", _BLOCK + r"ln_1.\2"),
        (_LAYER + r"layer_norm2\.(.*)", _BLOCK + r"ln_2.\2"),
        (_LAYER + r"mlp\.fc1\.(.*)", _BLOCK + r"mlp.c_fc.\2"),
        (_LAYER + r"mlp\.fc2\.(.*)", _BLOCK + r"mlp.c_proj.\2"),
    )
)


class Sam3Text(TextStage):
    """The encoder: transformers' CLIP layers, with the original's exact GELU in place of CLIP's."""

    original_names = _NAMES.under(LANGUAGE_BACKBONE)

    def __init__(self, architecture: TextArchitecture) -> None:
        super().__init__(architecture)
        width = architecture.width
        self.embedding = nn.Embedding(architecture.vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(architecture.positions, width))
        self.encoder = CLIPEncoder(_clip_config(architecture))
        self.norm = nn.LayerNorm(width)
        self.resizer = nn.Linear(width, architecture.d_model)

    def features(self, input_ids: Tensor) -> Tensor:
        """Return f32[P, L, d_model]."""
        length = self._context_length
        tokens = self.embedding(input_ids) + self.positions[:length]
        hidden = tokens.new_full((length, length), float("-inf")).triu(1)
        encoded = self.encoder(tokens, attention_mask=hidden[None, None]).last_hidden_state
        return self.resizer(self.norm(encoded))


def _clip_config(architecture: TextArchitecture) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=architecture.vocabulary,
        hidden_size=architecture.width,
        intermediate_size=architecture.feed_forward,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        max_position_embeddings=architecture.positions,
        hidden_act="gelu",
        attn_implementation="eager",
    )
