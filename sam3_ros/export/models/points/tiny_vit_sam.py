"""MobileSAM's image encoder: TinyViT-5M at stride 16 and SAM's neck.

Zhang et al., arXiv 2306.14289. Module names are the original's (ChaoningZhang/MobileSAM). Its
TinyViT differs from the published one in the last step, which keeps the resolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import pictures
from sam3_ros.export.models.points.sam_neck import sam_neck
from sam3_ros.export.models.trunks.tinyvit import TinyVitSizes
from sam3_ros.export.stage import StageModule, TensorInput

PATCH = 4


@dataclass(frozen=True)
class TinyVitSamSizes:
    """Every size of the image encoder."""

    backbone: TinyVitSizes
    #: Of the output.
    channels: int = 256

    @property
    def step(self) -> int:
        """Input sizes are multiples of this, px: the backbone's stride."""
        narrowings = len(self.backbone.widths) - 1
        return int(PATCH * 2 ** (narrowings - 1) * self.backbone.last_stride)

    def grid(self, input_size: int, /) -> int:
        """Return the side of the output, in cells."""
        return input_size // self.step

    def build(self, input_size: int) -> StageModule:
        """Return stage `image`, its weights not filled."""
        return TinyVitSamImage(self, input_size)


class TinyVitSamImage(StageModule):
    """The image encoder: pixel_values f32[1,3,S,S] -> sam_embed f32[1,C,S/16,S/16]."""

    outputs: ClassVar[tuple[str, ...]] = ("sam_embed",)
    original_names = NameRules(
        (
            (r"backbone\.(.*)", r"image_encoder.\1"),
            (r"(neck\..*)", r"image_encoder.\1"),
        )
    )

    def __init__(self, sizes: TinyVitSamSizes, input_size: int) -> None:
        super().__init__()
        self.backbone = sizes.backbone.build()
        self.neck = sam_neck(sizes.backbone.channels, sizes.channels)
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), pictures)}

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        return (self.neck(self.backbone(pixel_values)),)
