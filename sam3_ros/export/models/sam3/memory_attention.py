"""The stage that conditions the features of a frame on memories of an object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam3_tracker_video.configuration_sam3_tracker_video import (
    Sam3TrackerVideoConfig,
)
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoMemoryAttentionLayer,
    Sam3TrackerVideoPositionEmbeddingSine,
    Sam3TrackerVideoRoPEAttention,
    get_1d_sine_pe,
    rotate_pairwise,
)

from sam3_ros.export.attention import attend_in_chunks
from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import frame_ages, shares, unit_features
from sam3_ros.export.models.sam3.folded_memory_attention import FoldedMemoryAttention, Positions
from sam3_ros.export.models.sam3.tracker_sizes import MEMORY_ATTENTION, TRACKER, TrackerSizes
from sam3_ros.export.stage import StageModule, TensorInput

ROTARY_BASE = 10000.0
POSITION_SHARE = 0.1
#: Reduces the working memory of attention to a fifth, with the same result.
QUERIES_AT_ONCE = 1024


class MemoryAttention(StageModule):
    """The memory attention: one object's memories in the features of the current frame.

    The result is tracked_embed f32[1,D,g,g]. The mask decoder takes it as its sam_embed, with one
    padding point as the prompt. Inputs, in any order of frames:

    - frame_features f32[1,D,g,g] of the current frame.
    - memories f32[M,m,g,g], M >= 1: the memory encoder's mask_memory of earlier frames.
    - memory_ages int64[M]: 0 for a prompted frame, however old, else how many frames ago (1 to 6).
    - object_pointers f32[K,D], K >= 0: the object pointer of each earlier frame.
    - pointer_ages f32[K]: how many frames ago (backwards in time: how many ahead), divided by
      min(16, frames of the video) - 1; a stream has no end, so by 15 there.

    Which memories the original takes:

    - Up to 4 frames with clicks, a box or a given mask: the nearest before, the nearest at or
      after, then the nearest of the rest.
    - Of the others the last 6. One that was not tracked leaves its place empty; older ones do not
      move up.
    - The pointers of the same prompted frames, if not in the future, and of the last 15 others.

    With memory selection, which the original's video model has on and its image model off, the
    tracked frames before frame t are chosen by their quality q: 2 * sigmoid(object score) - 1,
    or 0 where the score is not above 0, times the highest IoU of the masks that were offered. (For
    several objects, the mean of the first factor times the mean of the IoUs.) From t-1 back to 1,
    never 0, those with q > 0.01 are listed, 15 at most; t-1 is appended if it is not in the list.
    Then ages are ranks: the n-th from the list's end has memory age n (up to 6) and pointer age n,
    divided as above, where n is below the list's length, so the oldest gives no pointer. A prompted
    frame in the list keeps its rank and gives no memory there. Prompted frames keep age 0, and
    their pointers the true distance.

    Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py and sam3/sam/rope.py.
    """

    outputs = ("tracked_embed",)
    original_names = NameRules(
        (
            (r"(layers\.\d+\.)layer_(norm\d\..*)", MEMORY_ATTENTION + r"\1\2"),
            (r"(layers\.\d+\.\w+\.)o_proj\.(.*)", MEMORY_ATTENTION + r"\1out_proj.\2"),
            (r"(layers\..*|norm\..*)", MEMORY_ATTENTION + r"\1"),
            (r"(maskmem_tpos_enc|obj_ptr_tpos_proj\..*)", TRACKER + r"\1"),
        )
    )

    frame_position: Tensor
    memory_position: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(self, sizes: TrackerSizes, grid: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_layer(sizes) for _ in range(sizes.memory_layers))
        self.norm = nn.LayerNorm(sizes.width)
        self.maskmem_tpos_enc = nn.Parameter(
            torch.zeros(sizes.memory_frames, 1, 1, sizes.memory_width)
        )
        self.obj_ptr_tpos_proj = nn.Linear(sizes.width, sizes.memory_width)
        self._sizes = sizes
        self._grid = grid
        cosine, sine = axial_rotation(sizes.width, grid)
        tables = {
            "frame_position": sine_position(sizes.width, grid),
            "memory_position": sine_position(sizes.memory_width, grid),
            "cosine": cosine,
            "sine": sine,
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def folded(self) -> StageModule:
        positions = Positions(
            POSITION_SHARE * self.frame_position[0],
            self.memory_position,
            self.maskmem_tpos_enc[:, 0].detach(),
            self.obj_ptr_tpos_proj,
            self.cosine,
            self.sine,
        )
        return FoldedMemoryAttention(self.inputs, self.layers, self.norm, positions)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        d, m, g = self._sizes.width, self._sizes.memory_width, self._grid
        return {
            "frame_features": TensorInput((1, d, g, g), unit_features),
            "memories": TensorInput(("memories", m, g, g), unit_features),
            "memory_ages": TensorInput(("memories",), frame_ages(self._sizes.memory_frames - 1)),
            "object_pointers": TensorInput(("pointers", d), unit_features),
            "pointer_ages": TensorInput(("pointers",), shares),
        }

    shortest: ClassVar[Mapping[str, int]] = {"pointers": 0}

    def forward(
        self,
        frame_features: Tensor,
        memories: Tensor,
        memory_ages: Tensor,
        object_pointers: Tensor,
        pointer_ages: Tensor,
    ) -> tuple[Tensor, ...]:
        tokens = frame_features.flatten(2).transpose(1, 2) + POSITION_SHARE * self.frame_position
        seen = memories.flatten(2).transpose(1, 2)
        pointers = object_pointers.reshape(-1, self._sizes.memory_width)
        positions = (self._memory_positions(memory_ages), self._pointer_positions(pointer_ages))
        for layer in self.layers:
            tokens = tokens + self._self_attention(layer, tokens)
            tokens = tokens + self._memory_attention(layer, tokens, (seen, pointers), positions)
            tokens = tokens + layer.linear2(F.relu(layer.linear1(layer.layer_norm3(tokens))))
        tracked = self.norm(tokens).transpose(1, 2)
        return (tracked.unflatten(2, (self._grid, self._grid)),)

    def _memory_positions(self, ages: Tensor) -> Tensor:
        """Return position and age of each memory cell: int64[M] -> f32[M,g*g,m]."""
        # The original's table ends with the frames that have clicks.
        row = torch.remainder(ages - 1, self._sizes.memory_frames)
        return self.memory_position + self.maskmem_tpos_enc[:, 0].index_select(0, row)

    def _pointer_positions(self, ages: Tensor) -> Tensor:
        """Return the positions of pointers: f32[K] -> f32[K*D/m,m].

        A pointer becomes as many tokens as fit into its width.
        """
        sizes = self._sizes
        position = self.obj_ptr_tpos_proj(get_1d_sine_pe(ages, dim=sizes.width))
        return position[:, None].expand(-1, sizes.width // sizes.memory_width, -1).flatten(0, 1)

    def _self_attention(self, layer: nn.Module, tokens: Tensor) -> Tensor:
        attention, tokens = layer.self_attn, layer.layer_norm1(tokens)
        query, key = (
            self._rotated(attention.q_proj(tokens)),
            self._rotated(attention.k_proj(tokens)),
        )
        return attention.o_proj(_attend(query, key, attention.v_proj(tokens)))

    def _memory_attention(
        self,
        layer: nn.Module,
        tokens: Tensor,
        values: tuple[Tensor, Tensor],
        positions: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Attend to the memories, rotated by position, and to the pointers, not rotated."""
        attention, tokens = layer.cross_attn_image, layer.layer_norm2(tokens)
        seen, pointers = values
        seen_key = self._rotated(attention.k_proj(seen + positions[0]))
        pointer_key = attention.k_proj(pointers + positions[1])
        key = torch.cat([seen_key.flatten(0, 1), pointer_key])[None]
        value = attention.v_proj(torch.cat([seen.flatten(0, 1), pointers]))[None]
        return attention.o_proj(_attend(self._rotated(attention.q_proj(tokens)), key, value))

    def _rotated(self, tokens: Tensor) -> Tensor:
        """Return f32[N,g*g,D], each pair of channels rotated by an angle of the position."""
        return tokens * self.cosine + rotate_pairwise(tokens) * self.sine


def _layer(sizes: TrackerSizes) -> nn.Module:
    config = Sam3TrackerVideoConfig(
        memory_attention_hidden_size=sizes.width,
        memory_attention_feed_forward_hidden_size=sizes.memory_feedforward,
    )
    layer = Sam3TrackerVideoMemoryAttentionLayer(config)
    # transformers builds it for memories of 64 channels, whatever the configuration says.
    layer.cross_attn_image = Sam3TrackerVideoRoPEAttention(
        config, kv_in_dim=sizes.memory_width, rope_k_repeat=True
    )
    return layer


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return one-head attention: f32[1,Q,D], f32[1,N,D], f32[1,N,D] -> f32[1,Q,D]."""
    key, value = key[:, None], value[:, None]
    return attend_in_chunks(query[:, None], key, value, QUERIES_AT_ONCE)[:, 0]


def axial_rotation(width: int, grid: int) -> tuple[Tensor, Tensor]:
    """Return cos and sin f32[g*g,width] of the angles: half of the channels by column, half by row.

    Each pair of channels has its own frequency (RoFormer, arXiv 2104.09864).
    """
    frequencies = ROTARY_BASE ** -(torch.arange(0, width, 4).float() / width)
    cells = torch.arange(grid).float()
    row, column = torch.meshgrid(cells, cells, indexing="ij")
    angles = [place.reshape(-1, 1) * frequencies for place in (column, row)]
    angle = torch.cat(angles, dim=1).repeat_interleave(2, dim=1)
    return angle.cos(), angle.sin()


def sine_position(width: int, grid: int) -> Tensor:
    """Return f32[1,g*g,width]: the position of a cell in the frame, as sines of row and column."""
    encoding = Sam3TrackerVideoPositionEmbeddingSine(width // 2, normalize=True, scale=2 * math.pi)
    position = encoding(torch.Size((1, width, grid, grid)), torch.device("cpu"), torch.float32)
    return position.flatten(2).transpose(1, 2)
