"""SAM's own image encoder: a plain ViT that attends within windows in most of its blocks.

Kirillov et al., arXiv 2304.02643; Li et al., arXiv 2203.16527 (ViTDet). Module names are the
original's (facebookresearch/segment-anything). Windows that do not fit the grid are padded with
zeros that take part in the attention.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules, Shape, Shapes
from sam3_ros.export.fills import pictures
from sam3_ros.export.folding import Foldable
from sam3_ros.export.models.points.relative_attention import (
    FoldedRelativeAttention,
    RelativeAttention,
)
from sam3_ros.export.models.points.sam_neck import sam_neck
from sam3_ros.export.stage import StageModule, TensorInput

NORM_EPS = 1e-6


@dataclass(frozen=True)
class SamVitSizes:
    """Every size of the image encoder."""

    #: Channels of the tokens.
    width: int
    #: Blocks.
    depth: int
    heads: int
    #: Indices of the blocks that attend over the whole picture.
    global_blocks: tuple[int, ...]
    #: Channels within the MLPs.
    mlp: int
    #: Side of the windows of all other blocks, in cells.
    window: int = 14
    #: Side of a cell, px.
    patch: int = 16
    #: Of the output.
    channels: int = 256
    #: Side of the grid that it was trained on.
    cells: int = 64

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"{self.width} channels cannot be divided among {self.heads} heads")

    @property
    def step(self) -> int:
        """Input sizes are multiples of this, px."""
        return self.patch

    def grid(self, input_size: int, /) -> int:
        """Return the side of the output, in cells."""
        return input_size // self.patch

    def build(self, input_size: int) -> StageModule:
        """Return stage `image`, its weights not filled."""
        return SamVitImage(self, input_size)

    @staticmethod
    def from_shapes(shapes: Shapes) -> SamVitSizes | None:
        """Return the sizes of tensors, named as in image_encoder; None for another network."""
        table, patches = shapes.get("pos_embed", ()), shapes.get("patch_embed.proj.weight", ())
        mlp, neck = shapes.get("blocks.0.mlp.lin1.bias"), shapes.get("neck.0.weight")
        sides, heads = _sides(shapes), _head_widths(shapes)
        if len(table) != 4 or len(patches) != 4 or not (mlp and neck and sides) or len(heads) != 1:
            return None
        _, cells, _, width = table
        (head,) = heads
        windows = set(sides) - {cells}
        if len(windows) != 1 or width % head:
            return None
        return SamVitSizes(
            width=width,
            depth=len(sides),
            heads=width // head,
            global_blocks=tuple(block for block, side in enumerate(sides) if side == cells),
            mlp=mlp[0],
            window=windows.pop(),
            patch=patches[-1],
            channels=neck[0],
            cells=cells,
        )


def _relative(shapes: Shapes) -> dict[int, Shape]:
    """Return the shapes of the tables of relative rows by the number of their block."""
    found = ((re.fullmatch(r"blocks\.(\d+)\.attn\.rel_pos_h", name), name) for name in shapes)
    return {int(match[1]): shapes[name] for match, name in found if match}


def _sides(shapes: Shapes) -> list[int]:
    """Return over how many rows each block attends; empty where blocks or tables are missing."""
    tables = _relative(shapes)
    if sorted(tables) != list(range(len(tables))):
        return []
    return [(tables[block][0] + 1) // 2 for block in sorted(tables)]


def _head_widths(shapes: Shapes) -> set[int]:
    return {shape[-1] for shape in _relative(shapes).values() if len(shape) == 2 and shape[-1]}


class PositionTable(Foldable):
    """A learned vector for every cell: () -> f32[1,grid,grid,C]."""

    def __init__(self, channels: int, trained: int, grid: int) -> None:
        super().__init__()
        self._grid = grid
        self.table = nn.Parameter(torch.zeros(1, trained, trained, channels))

    def forward(self) -> Tensor:
        """Return the table; for another grid than the trained one, bicubically in between.

        As ViTDet resizes the positions that it starts from; SAM itself knows one grid.
        """
        if self.table.shape[1] == self._grid:
            return self.table
        rows_last = self.table.permute(0, 3, 1, 2)
        resized = F.interpolate(rows_last, size=(self._grid,) * 2, mode="bicubic")
        return resized.permute(0, 2, 3, 1)

    def folded(self) -> nn.Module:
        if self.table.shape[1] == self._grid:
            return self
        with torch.no_grad():
            resized = PositionTable(self.table.shape[3], self._grid, self._grid)
            resized.table.copy_(self())
        return resized.requires_grad_(False)


class SamVitBlock(Foldable):
    """Attention within windows or over the whole picture, and an MLP: f32[B,g,g,C] -> the same."""

    def __init__(self, sizes: SamVitSizes, side: int, trained_side: int) -> None:
        super().__init__()
        self.side = side
        self.norm1 = nn.LayerNorm(sizes.width, NORM_EPS)
        self.attn = RelativeAttention(sizes.width, sizes.heads, trained_side)
        self.norm2 = nn.LayerNorm(sizes.width, NORM_EPS)
        layers = OrderedDict(
            lin1=nn.Linear(sizes.width, sizes.mlp),
            act=nn.GELU(),
            lin2=nn.Linear(sizes.mlp, sizes.width),
        )
        self.mlp = nn.Sequential(layers)

    def forward(self, cells: Tensor) -> Tensor:
        windows = into_windows(self.norm1(cells), self.side)
        cells = cells + out_of_windows(self.attn(windows), cells.shape[1])
        return cells + self.mlp(self.norm2(cells))

    def folded(self) -> nn.Module:
        return FoldedSamVitBlock(self)


class FoldedSamVitBlock(nn.Module):
    """The same, with the projections outside of the windows: no padding is projected."""

    def __init__(self, block: SamVitBlock) -> None:
        super().__init__()
        self.side = block.side
        self.norm1, self.norm2, self.mlp = block.norm1, block.norm2, block.mlp
        self.attn = FoldedRelativeAttention(block.attn, block.side)

    def forward(self, cells: Tensor) -> Tensor:
        windows = into_windows(self.attn.qkv(self.norm1(cells)), self.side)
        read = out_of_windows(self.attn(windows), cells.shape[1])
        cells = cells + self.attn.proj(read)
        return cells + self.mlp(self.norm2(cells))


def into_windows(cells: Tensor, side: int) -> Tensor:
    """Return f32[windows,side,side,C] of f32[1,g,g,C], padded with zeros below and on the right."""
    grid = cells.shape[1]
    if grid == side:
        return cells
    beyond = -grid % side
    count = (grid + beyond) // side
    padded = F.pad(cells, (0, 0, 0, beyond, 0, beyond))
    cut = padded.reshape(count, side, count, side, -1).transpose(1, 2)
    return cut.reshape(count * count, side, side, -1)


def out_of_windows(windows: Tensor, grid: int) -> Tensor:
    """Return f32[1,g,g,C] of what into_windows returned, without the padding."""
    side = windows.shape[1]
    if grid == side:
        return windows
    count = -(-grid // side)
    joined = windows.reshape(count, count, side, side, -1).transpose(1, 2)
    return joined.reshape(1, count * side, count * side, -1)[:, :grid, :grid]


class SamVitImage(StageModule):
    """The image encoder: pixel_values f32[1,3,S,S] -> sam_embed f32[1,C,S/16,S/16]."""

    outputs: ClassVar[tuple[str, ...]] = ("sam_embed",)
    original_names = NameRules(
        (
            (r"positions\.table", "image_encoder.pos_embed"),
            (r"patch_embed\.(.*)", r"image_encoder.patch_embed.proj.\1"),
            (r"((?:blocks|neck)\..*)", r"image_encoder.\1"),
        )
    )

    def __init__(self, sizes: SamVitSizes, input_size: int) -> None:
        super().__init__()
        grid = sizes.grid(input_size)
        self.patch_embed = nn.Conv2d(3, sizes.width, sizes.patch, stride=sizes.patch)
        self.positions = PositionTable(sizes.width, sizes.cells, grid)
        everywhere = dict.fromkeys(sizes.global_blocks, (grid, sizes.cells))
        windowed = (sizes.window, sizes.window)
        self.blocks = nn.Sequential(
            *(SamVitBlock(sizes, *everywhere.get(i, windowed)) for i in range(sizes.depth))
        )
        self.neck = sam_neck(sizes.width, sizes.channels)
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), pictures)}

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        cells = self.patch_embed(pixel_values).permute(0, 2, 3, 1) + self.positions()
        return (self.neck(self.blocks(cells).permute(0, 3, 1, 2)),)
