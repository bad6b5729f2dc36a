"""EfficientViT's small networks, b0 ... b3.

Sources as in efficientvit_blocks; sizes from `efficientvit_backbone_b*` of the original.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor, nn

from sam3_ros.export.bindings import Shapes
from sam3_ros.export.models.trunks.efficientvit_blocks import (
    SMALL,
    ConvLayer,
    DepthwiseSeparable,
    InvertedBottleneck,
    LinearAttentionBlock,
    Operations,
    Residual,
)

EXPAND = 4
ATTENTION_STAGES = 2


@dataclass(frozen=True)
class EfficientVitSizes:
    """Sizes of each resolution (strides 2, 4, 8, 16, 32).

    The last two resolutions attend; their first block, which only downsamples, is not counted.
    """

    #: Channels.
    widths: tuple[int, ...]
    #: Blocks.
    depths: tuple[int, ...]
    #: Channels of an attention head.
    head: int

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or len(self.widths) <= ATTENTION_STAGES:
            raise ValueError(f"{len(self.widths)} widths but {len(self.depths)} depths")

    @property
    def channels(self) -> int:
        """Channels of the features that `build()` returns."""
        return self.widths[-1]

    def build(self) -> nn.Module:
        """Return the network, its weights not filled."""
        return EfficientVit(self)

    @staticmethod
    def from_shapes(shapes: Shapes) -> EfficientVitSizes | None:
        """Return the sizes of tensors named as in EfficientVit; None for another network."""
        widths = {-1: shapes.get("input_stem.op_list.0.conv.weight", (0,))[0]}
        blocks: dict[int, set[int]] = {-1: set()}
        head = 0
        for name, shape in shapes.items():
            if found := re.fullmatch(r"input_stem\.op_list\.(\d+)\.main\..*", name):
                blocks[-1].add(int(found[1]))
            elif found := re.fullmatch(r"stages\.(\d+)\.op_list\.(\d+)\.(.*)", name):
                stage, block, rest = int(found[1]), int(found[2]), found[3]
                blocks.setdefault(stage, set()).add(block)
                if rest == "main.point_conv.conv.weight":
                    widths[stage] = shape[0]
                elif rest.endswith("aggreg.0.1.weight"):
                    head = shape[1]
        if (
            not widths[-1]
            or len(widths) <= ATTENTION_STAGES
            or set(widths) != set(blocks)
            or not head
        ):
            return None
        order = sorted(widths)
        depths = [len(blocks[s]) - (s in order[-ATTENTION_STAGES:]) for s in order]
        return EfficientVitSizes(tuple(widths[s] for s in order), tuple(depths), head)


class EfficientVit(nn.Module):
    """The network: [B, 3, h, w] -> [B, channels, ceil(h / 32), ceil(w / 32)], five resolutions."""

    def __init__(self, sizes: EfficientVitSizes) -> None:
        super().__init__()
        width = sizes.widths[0]
        stem: list[nn.Module] = [ConvLayer(3, width, stride=2, style=SMALL)]
        stem += [
            Residual(DepthwiseSeparable(width, width, 1, SMALL)) for _ in range(sizes.depths[0])
        ]
        self.input_stem = Operations(stem)
        self.stages = nn.ModuleList()
        for index in range(1, len(sizes.widths)):
            inputs, outputs, depth = *sizes.widths[index - 1 : index + 1], sizes.depths[index]
            attends = index >= len(sizes.widths) - ATTENTION_STAGES
            self.stages.append(
                _attention_stage(inputs, outputs, depth, sizes.head)
                if attends
                else _convolution_stage(inputs, outputs, depth)
            )

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = self.input_stem(pixel_values)
        for stage in self.stages:
            x = stage(x)
        return x


def _convolution_stage(inputs: int, outputs: int, depth: int) -> Operations:
    first = Residual(InvertedBottleneck(inputs, outputs, 2, EXPAND, SMALL), keeps_shape=False)
    others = (
        Residual(InvertedBottleneck(outputs, outputs, 1, EXPAND, SMALL)) for _ in range(depth - 1)
    )
    return Operations([first, *others])


def _attention_stage(inputs: int, outputs: int, depth: int, head: int) -> Operations:
    narrows = InvertedBottleneck(inputs, outputs, 2, EXPAND, SMALL, fewer_norms=True)
    others = (LinearAttentionBlock(outputs, head, EXPAND, SMALL) for _ in range(depth))
    return Operations([Residual(narrows, keeps_shape=False), *others])
