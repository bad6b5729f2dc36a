"""EfficientViT-SAM's image encoder: a large EfficientViT and a neck over three resolutions.

Cai et al., arXiv 2205.14756; Zhang et al., arXiv 2402.05008. Module names are the original's
(mit-han-lab/efficientvit), so its tensors need no renaming. All norms of the original have an eps
of 1e-6, those of SAM's decoder too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn
from transformers.models.sam.modeling_sam import SamLayerNorm

from sam3_ros.export.bindings import SAME_NAMES
from sam3_ros.export.fills import pictures
from sam3_ros.export.models.points.grid_resize import GridResize
from sam3_ros.export.models.trunks.efficientvit_blocks import (
    LARGE,
    ConvLayer,
    FusedBottleneck,
    InvertedBottleneck,
    LinearAttentionBlock,
    Operations,
    Residual,
    TwoConvolutions,
)
from sam3_ros.export.stage import StageModule, TensorInput

NORM_EPS = 1e-6
STYLE = replace(LARGE, norm_eps=NORM_EPS)
#: The first block of a resolution widens by this factor more than the others.
DOWNSAMPLING_EXPAND = 4
#: How many of the coarsest resolutions the neck joins.
JOINED = 3

Kind = Literal["res", "fmb", "mb", "att"]
_CONVOLUTIONS = {"res": TwoConvolutions, "fmb": FusedBottleneck, "mb": InvertedBottleneck}


@dataclass(frozen=True)
class Resolution:
    """One resolution of the backbone.

    Another block, not counted, comes first and halves the picture; in the finest resolution it is
    one convolution. The deep kinds ("mb", "att") have a norm only after the last convolution of a
    block.
    """

    #: Channels.
    width: int
    #: Blocks that keep the resolution.
    depth: int
    #: Their kind.
    kind: Kind
    #: How much wider they are inside.
    expand: float

    @property
    def fewer_norms(self) -> bool:
        """Whether only the last convolution of a block has a norm."""
        return self.kind in ("mb", "att")


@dataclass(frozen=True)
class EfficientVitSamSizes:
    """Every size of the image encoder."""

    #: Strides 2, 4, 8 ...
    resolutions: tuple[Resolution, ...]
    #: Of the second scale of attention.
    kernel: int
    #: Blocks of the neck.
    neck_depth: int
    #: How much wider they are inside.
    neck_expand: float
    #: Channels of an attention head.
    head: int = 32
    neck_width: int = 256
    #: Of the output.
    channels: int = 256
    #: Side of the output, to which the neck resizes whatever the input's size.
    cells: int = 64

    def __post_init__(self) -> None:
        if len(self.resolutions) < JOINED:
            raise ValueError(f"{len(self.resolutions)} resolutions, but the neck joins {JOINED}")

    @property
    def step(self) -> int:
        """Input sizes are multiples of this, px: every resolution halves the picture."""
        return int(2 ** len(self.resolutions))

    def grid(self, _input_size: int, /) -> int:
        """Return the side of the output, in cells: the same for all input sizes."""
        return self.cells

    def build(self, input_size: int) -> StageModule:
        """Return stage `image`, its weights not filled."""
        return EfficientVitSamImage(self, input_size)


class LargeBackbone(nn.Module):
    """The backbone: [B, 3, h, w] -> the features of every resolution, finest first."""

    def __init__(self, sizes: EfficientVitSamSizes) -> None:
        super().__init__()
        first = sizes.resolutions[0]
        stem = ConvLayer(3, first.width, stride=2, style=STYLE)
        stages = [Operations([stem, *_blocks(first, sizes)])]
        for finer, here in zip(sizes.resolutions, sizes.resolutions[1:], strict=False):
            stages.append(Operations([_downsampling(finer.width, here), *_blocks(here, sizes)]))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _downsampling(inputs: int, here: Resolution) -> Residual:
    block = FusedBottleneck if here.kind == "fmb" else InvertedBottleneck
    expand = here.expand * DOWNSAMPLING_EXPAND
    main = block(inputs, here.width, 2, expand, STYLE, fewer_norms=here.fewer_norms)
    return Residual(main, keeps_shape=False)


def _blocks(here: Resolution, sizes: EfficientVitSamSizes) -> list[nn.Module]:
    return [_block(here, sizes) for _ in range(here.depth)]


def _block(here: Resolution, sizes: EfficientVitSamSizes) -> nn.Module:
    if here.kind == "att":
        return LinearAttentionBlock(
            here.width, sizes.head, here.expand, STYLE, scales=(sizes.kernel,)
        )
    block = _CONVOLUTIONS[here.kind]
    return Residual(
        block(here.width, here.width, 1, here.expand, STYLE, fewer_norms=here.fewer_norms)
    )


class SamNeck(nn.Module):
    """Three resolutions, coarsest first, resized to one grid, summed and refined."""

    def __init__(self, sizes: EfficientVitSamSizes, input_size: int) -> None:
        super().__init__()
        width = sizes.neck_width
        self.input_ops = nn.ModuleList(
            Operations([ConvLayer(resolution.width, width, 1, style=STYLE, activated=False)])
            for resolution in reversed(sizes.resolutions[-JOINED:])
        )
        self.middle = Operations(
            Residual(FusedBottleneck(width, width, 1, sizes.neck_expand, STYLE))
            for _ in range(sizes.neck_depth)
        )
        self.output_ops = nn.ModuleList([Operations([ConvLayer(width, sizes.channels, 1)])])
        coarsest = input_size // sizes.step
        self.resizes = nn.ModuleList(
            GridResize(coarsest * 2**finer, sizes.cells) for finer in range(JOINED)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        branches = zip(self.input_ops, self.resizes, features, strict=True)
        x, *others = (resize(op(feature)) for op, resize, feature in branches)
        for other in others:
            x = x + other
        return self.output_ops[0](self.middle(x))


class EfficientVitSamImage(StageModule):
    """The image encoder: pixel_values f32[1,3,S,S] -> sam_embed f32[1,C,g,g]."""

    outputs: ClassVar[tuple[str, ...]] = ("sam_embed",)
    original_names = SAME_NAMES.under("image_encoder.")

    def __init__(self, sizes: EfficientVitSamSizes, input_size: int) -> None:
        super().__init__()
        self.backbone = LargeBackbone(sizes)
        self.neck = SamNeck(sizes, input_size)
        self.norm = SamLayerNorm(sizes.channels, eps=NORM_EPS, data_format="channels_first")
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), pictures)}

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        features = self.backbone(pixel_values)
        return (self.norm(self.neck(features[: -JOINED - 1 : -1])),)
