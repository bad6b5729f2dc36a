"""The stage that lets every place of the image read the prompt: DETR's encoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers.models.sam3.configuration_sam3 import Sam3DETREncoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3Attention, Sam3DetrEncoder

from sam3_ros.export.fills import leading_mask, unit_features
from sam3_ros.export.models.sam3.layer_names import encoder_layer_rules
from sam3_ros.export.models.sam3.positions import grid_positions
from sam3_ros.export.models.sam3.sizes import FUSION, DetectorSizes
from sam3_ros.export.models.sam3.token_masks import attended
from sam3_ros.export.stage import Stage, TensorInput
from sam3_ros.export.weights.names import NameRules

#: Queries that attend at a time. All 5184 at once take 1.8 GB of working memory, and more time.
QUERIES_AT_A_TIME = 648


class ChunkedAttention(Sam3Attention):
    """Sam3Attention that takes its queries a few at a time: the same numbers in less memory."""

    def forward(  # type: ignore[override]
        self, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
    ) -> tuple[Tensor, None]:
        batch, length = query.shape[:2]
        heads = (batch, -1, self.num_attention_heads, self.head_dim)
        queries = self.q_proj(query).view(heads).transpose(1, 2)
        keys = self.k_proj(key).view(heads).transpose(1, 2)
        values = self.v_proj(value).view(heads).transpose(1, 2)
        answers = [
            torch.nn.functional.scaled_dot_product_attention(chunk, keys, values, attention_mask)
            for chunk in queries.split(QUERIES_AT_A_TIME, dim=2)
        ]
        joined = torch.cat(answers, dim=2).transpose(1, 2).reshape(batch, length, self.hidden_size)
        return self.o_proj(joined), None


class Fusion(Stage):
    """fpn2 f32[1,D,g,g], prompt f32[P,T,D], prompt_mask bool[P,T] -> memory f32[P,g*g,D].

    Source: facebookresearch/sam3, sam3/model/encoder.py.
    """

    outputs = ("memory",)
    original_names = NameRules(encoder_layer_rules(r"encoder\.layers", FUSION + "layers"))
    positions: Tensor

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        config = Sam3DETREncoderConfig(
            hidden_size=sizes.width,
            num_layers=sizes.fusion_layers,
            num_attention_heads=sizes.heads,
            intermediate_size=sizes.feedforward,
            attn_implementation="eager",
        )
        self.encoder = Sam3DetrEncoder(config)
        for layer in self.encoder.layers:
            layer.self_attn = ChunkedAttention(config)
        self.register_buffer("positions", grid_positions(grid, sizes.width), persistent=False)
        self._width, self._grid = sizes.width, grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "fpn2": TensorInput((1, self._width, self._grid, self._grid), unit_features),
            "prompt": TensorInput(("prompts", "tokens", self._width), unit_features),
            "prompt_mask": TensorInput(("prompts", "tokens"), leading_mask),
        }

    def forward(self, fpn2: Tensor, prompt: Tensor, prompt_mask: Tensor) -> tuple[Tensor, ...]:
        places = fpn2.flatten(2).transpose(1, 2).expand(prompt.shape[0], -1, -1)
        for layer in self.encoder.layers:
            places = layer(places, prompt, self.positions, attended(prompt_mask))
        return (places,)
