"""The stages in which every cell of the image attends to the prompt: DETR's encoder.

Two, because its first step, in which the cells attend to each other, does not depend on the prompt:
the prompts of an image share it.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from transformers.models.sam3.configuration_sam3 import Sam3DETREncoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3Attention, Sam3DetrEncoderLayer

from sam3_ros.export.attention import attend_in_chunks
from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import leading_mask, unit_features
from sam3_ros.export.models.sam3.attention import additive_mask, grid_positions
from sam3_ros.export.models.sam3.layer_names import encoder_layer_rules
from sam3_ros.export.models.sam3.sizes import FUSION, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput

#: Queries that attend at a time. All 5184 at once take 1.8 GB of working memory, and more time.
QUERIES_AT_A_TIME = 648

_NAMES = NameRules(encoder_layer_rules("layers", FUSION + "layers"))


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
        read = attend_in_chunks(queries, keys, values, QUERIES_AT_A_TIME, attention_mask)
        joined = read.transpose(1, 2).reshape(batch, length, self.hidden_size)
        return self.o_proj(joined), None


class FusionImage(StageModule):
    """The first layer's self attention: fpn2 f32[1,D,g,g] -> places f32[1,g*g,D].

    Source: facebookresearch/sam3, sam3/model/encoder.py.
    """

    outputs = ("places",)
    original_names = _NAMES
    positions: Tensor

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        whole = _layer(sizes)
        first = {"self_attn": whole.self_attn, "layer_norm1": whole.layer_norm1}
        self.layers = nn.ModuleList([nn.ModuleDict(first)])
        self.register_buffer("positions", grid_positions(grid, sizes.width), persistent=False)
        self._width, self._grid = sizes.width, grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"fpn2": TensorInput((1, self._width, self._grid, self._grid), unit_features)}

    def forward(self, fpn2: Tensor) -> tuple[Tensor, ...]:
        (first,) = self.layers
        places = fpn2.flatten(2).transpose(1, 2)
        normed = first["layer_norm1"](places)
        placed = normed + self.positions
        read, _ = first["self_attn"](placed, placed, normed)
        return (places + read,)


class Fusion(StageModule):
    """The rest of the encoder, in which the cells attend to the prompt.

    places f32[1,g*g,D], prompt f32[P,T,D], prompt_mask bool[P,T] -> memory f32[P,g*g,D]. Source:
    facebookresearch/sam3, sam3/model/encoder.py.
    """

    outputs = ("memory",)
    original_names = _NAMES
    positions: Tensor

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(sizes) for _ in range(sizes.fusion_layers))
        del self.layers[0].self_attn, self.layers[0].layer_norm1  # in FusionImage
        self.register_buffer("positions", grid_positions(grid, sizes.width), persistent=False)
        self._width, self._places = sizes.width, grid * grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "places": TensorInput((1, self._places, self._width), unit_features),
            "prompt": TensorInput(("prompts", "tokens", self._width), unit_features),
            "prompt_mask": TensorInput(("prompts", "tokens"), leading_mask),
        }

    def forward(self, places: Tensor, prompt: Tensor, prompt_mask: Tensor) -> tuple[Tensor, ...]:
        first, *others = self.layers
        mask = additive_mask(prompt_mask)
        places = places.expand(prompt.shape[0], -1, -1)
        read, _ = first.cross_attn(first.layer_norm2(places), prompt, prompt, mask)
        places = places + read
        places = places + first.mlp(first.layer_norm3(places))
        for layer in others:
            places = layer(places, prompt, self.positions, mask)
        return (places,)


def _layer(sizes: DetectorSizes) -> Sam3DetrEncoderLayer:
    config = Sam3DETREncoderConfig(
        hidden_size=sizes.width,
        num_layers=sizes.fusion_layers,
        num_attention_heads=sizes.heads,
        intermediate_size=sizes.feedforward,
        attn_implementation="eager",
    )
    layer = Sam3DetrEncoderLayer(config)
    layer.self_attn = ChunkedAttention(config)
    return layer
