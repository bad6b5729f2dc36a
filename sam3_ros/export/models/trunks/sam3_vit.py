"""SAM 3's own image encoder, a plain ViT that attends within windows in most of its blocks.

Built on the layers of transformers. Differences of the original (facebookresearch/sam3,
model_builder.py and vitdet.py): layer norms with an eps of 1e-5, not 1e-6, and a position table
that still has a row for the class token, which is not used.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.models.sam3.configuration_sam3 import Sam3ViTConfig
from transformers.models.sam3.modeling_sam3 import (
    Sam3ViTLayer,
    Sam3ViTPatchEmbeddings,
    Sam3ViTRoPEAttention,
    apply_rotary_pos_emb_2d,
)

from sam3_ros.core.errors import CheckpointError
from sam3_ros.export.attention import attend_in_chunks
from sam3_ros.export.bindings import NameRules, Shapes
from sam3_ros.export.family import Unneeded
from sam3_ros.export.models.trunks.rotary_tables import (
    GLOBAL_BLOCKS,
    RotaryTables,
    last_of_each_quarter,
)
from sam3_ros.export.models.trunks.trunk import PATCH, TRUNK, Trunk

#: Channels of an attention head, where no tensor shows them.
HEAD = 64
NORM_EPS = 1e-5

#: The blocks that attend over the whole picture would need the most memory in ONNX Runtime: 1.7 GB
#: for 5184 queries at once.
QUERIES_AT_A_TIME = 648

UNNEEDED = (
    Unneeded(
        re.escape(TRUNK) + r"blocks\.\d+\.attn\.freqs_cis",
        "rotary positions: computed from the input size",
    ),
)


@dataclass(frozen=True)
class Sam3VitSizes:
    """Sizes of the ViT."""

    #: Channels of the tokens.
    width: int = 1024
    #: Channels within the MLPs.
    ffn: int = 4736
    #: Blocks.
    depth: int = 32
    #: Side of a window, and of the grid of the learned position table, which is tiled over the
    #: input's grid.
    window: int = 24
    #: Channels of an attention head.
    head: int = HEAD
    #: The blocks that attend over the whole picture; none for the last of each quarter.
    everywhere: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.width % self.head or self.head % 4:
            raise ValueError(f"no ViT of width {self.width} with heads of {self.head}")
        if not self.everywhere and self.depth % GLOBAL_BLOCKS:
            raise ValueError(f"no ViT of {self.depth} blocks in {GLOBAL_BLOCKS} equal parts")

    @property
    def heads(self) -> int:
        """Attention heads of a block."""
        return self.width // self.head

    @property
    def global_blocks(self) -> list[int]:
        """The blocks that attend over the whole picture."""
        return list(self.everywhere or last_of_each_quarter(self.depth))

    @staticmethod
    def from_shapes(shapes: Shapes) -> Sam3VitSizes | None:
        """Return the sizes of tensors, named without TRUNK; None for another network.

        The rotary tables, which the original saves with every block, show the width of a head and
        which blocks attend over the whole picture. Without them both are those of SAM 3. Raises
        CheckpointError where sizes do not go together.
        """
        positions, ffn = shapes.get("pos_embed", ()), shapes.get("blocks.0.mlp.fc1.bias", ())
        if len(positions) != 3 or len(ffn) != 1:
            return None
        depth = _depth(shapes)
        width, window = positions[2], math.isqrt(positions[1] - 1)
        tables = RotaryTables.of(shapes)
        head, everywhere = tables.head or HEAD, tables.everywhere(depth, window)
        if width % head or head % 4:
            raise CheckpointError(
                f"the image encoder has {width} channels, which are not divisible into heads of "
                f"{head}, {'as its rotary tables say' if tables.head else 'the size in SAM 3'}"
            )
        usual = not depth % GLOBAL_BLOCKS and everywhere == last_of_each_quarter(depth)
        return Sam3VitSizes(width, ffn[0], depth, window, head, () if usual else everywhere)

    def __str__(self) -> str:
        """Return the sizes in words."""
        blocks = ", ".join(map(str, self.global_blocks))
        return (
            f"ViT, {self.depth} blocks of width {self.width} ({self.heads} heads of {self.head}), "
            f"windows of {self.window} x {self.window}, over the whole picture: blocks {blocks}"
        )


def has_gap(shapes: Shapes) -> bool:
    """Return whether the blocks of tensors, named without TRUNK, are not numbered 0, 1, 2, ..."""
    numbers = _block_numbers(shapes)
    return numbers != set(range(len(numbers)))


def _depth(shapes: Shapes) -> int:
    numbers = _block_numbers(shapes)
    if has_gap(shapes):
        raise CheckpointError(
            f"the image encoder has the blocks {', '.join(map(str, sorted(numbers)))}; expected "
            f"0, 1, 2, ... without a gap"
        )
    return len(numbers)


def _block_numbers(shapes: Shapes) -> set[int]:
    return {int(m[1]) for name in shapes if (m := re.match(r"blocks\.(\d+)\.", name))}


class ChunkedRotaryAttention(Sam3ViTRoPEAttention):
    """Sam3ViTRoPEAttention that takes its queries a few at a time: the same numbers."""

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, position_embeddings: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, None]:
        heads = (len(hidden_states), -1, self.num_attention_heads, self.head_dim)
        query = self.q_proj(hidden_states).view(heads).transpose(1, 2)
        key = self.k_proj(hidden_states).view(heads).transpose(1, 2)
        value = self.v_proj(hidden_states).view(heads).transpose(1, 2)
        query, key = apply_rotary_pos_emb_2d(query, key, *position_embeddings)
        read = attend_in_chunks(query, key, value, QUERIES_AT_A_TIME)
        return self.o_proj(read.transpose(1, 2).reshape(hidden_states.shape)), None


class Sam3VitTrunk(Trunk):
    """The ViT: the last block's features, without a norm.

    Windows that do not fit the grid are padded with zeros that take part in the attention, as in
    the original: at 1008 pixels they fit.
    """

    original_names = NameRules(
        (
            (r"(pos_embed|ln_pre\..*)", TRUNK + r"\1"),
            (r"patch_embed\.projection\.(.*)", TRUNK + r"patch_embed.proj.\1"),
            (r"(blocks\.\d+)\.layer_norm([12])\.(.*)", TRUNK + r"\1.norm\2.\3"),
            (r"(blocks\.\d+)\.attention\.q_proj\.(.*)", TRUNK + r"\1.attn.qkv.\2#0"),
            (r"(blocks\.\d+)\.attention\.k_proj\.(.*)", TRUNK + r"\1.attn.qkv.\2#1"),
            (r"(blocks\.\d+)\.attention\.v_proj\.(.*)", TRUNK + r"\1.attn.qkv.\2#2"),
            (r"(blocks\.\d+)\.attention\.o_proj\.(.*)", TRUNK + r"\1.attn.proj.\2"),
            (r"(blocks\.\d+\.mlp\.fc[12]\..*)", TRUNK + r"\1"),
        )
    )

    def __init__(self, sizes: Sam3VitSizes, input_size: int) -> None:
        super().__init__(input_size)
        config = _config(sizes, input_size)
        self._window = sizes.window
        self.patch_embed = Sam3ViTPatchEmbeddings(config)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + sizes.window**2, sizes.width))
        self.ln_pre = nn.LayerNorm(sizes.width, NORM_EPS)
        self.blocks = nn.ModuleList()
        for index in range(sizes.depth):
            everywhere = index in sizes.global_blocks
            block = Sam3ViTLayer(config, 0 if everywhere else sizes.window)
            if everywhere:
                block.attention = ChunkedRotaryAttention(config)
            self.blocks.append(block)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        tokens = self.patch_embed(pixel_values).unflatten(1, (self.grid, self.grid))
        tokens = self.ln_pre(tokens + self._positions())
        for block in self.blocks:
            tokens = block(tokens)
        return (tokens.permute(0, 3, 1, 2),)

    def _positions(self) -> Tensor:
        side, copies = self._window, math.ceil(self.grid / self._window)
        table = self.pos_embed[:, 1:].reshape(1, side, side, -1)
        return table.tile(1, copies, copies, 1)[:, : self.grid, : self.grid]


def _config(sizes: Sam3VitSizes, input_size: int) -> Sam3ViTConfig:
    config = Sam3ViTConfig(
        hidden_size=sizes.width,
        intermediate_size=sizes.ffn,
        num_hidden_layers=sizes.depth,
        num_attention_heads=sizes.heads,
        image_size=input_size,
        patch_size=PATCH,
        layer_norm_eps=NORM_EPS,
        window_size=sizes.window,
        global_attn_indexes=sizes.global_blocks,
        pretrain_image_size=sizes.window * PATCH,
    )
    config._attn_implementation = "sdpa"
    return config
