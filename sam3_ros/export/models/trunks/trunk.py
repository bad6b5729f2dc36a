"""What every trunk has in common, and EfficientSAM3's: a small backbone and a head.

The backbone and its head imitate the features of SAM 3's ViT. Facts from
SimonZeng7108/efficientsam3, `ImageStudentEncoder` in sam3/model_builder.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import pictures
from sam3_ros.export.stage import StageModule, TensorInput

#: Prefix of a trunk's tensors in a checkpoint.
TRUNK = "detector.backbone.vision_backbone.trunk."
#: Input pixels per cell of the feature grid, each way.
PATCH = 14

STUDENT = TRUNK + "model."


class Trunk(StageModule):
    """Base class of image encoders.

    pixel_values f32[1,3,S,S] -> trunk f32[1,C,S/14,S/14].
    """

    outputs: ClassVar[tuple[str, ...]] = ("trunk",)

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), pictures)}

    @property
    def grid(self) -> int:
        """Height and width of the features."""
        return self._input_size // PATCH


class StudentHead(nn.Sequential):
    """The head: [B, backbone channels, h, w] -> [B, channels, grid, grid], as the ViT's."""

    def __init__(self, backbone_channels: int, channels: int, grid: int) -> None:
        super().__init__(
            nn.Conv2d(backbone_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self._size = (grid, grid)

    def forward(self, features: Tensor) -> Tensor:
        features = super().forward(features)
        if features.shape[-2:] == self._size:
            return features
        return F.interpolate(features, self._size, mode="bilinear", align_corners=False)


class StudentTrunk(Trunk):
    """The backbone and its head. channels: of the features, as the ViT's."""

    original_names = NameRules(
        ((r"backbone\.(.*)", STUDENT + r"backbone.model.\1"), (r"head\.(.*)", STUDENT + r"head.\1"))
    )

    def __init__(
        self, backbone: nn.Module, backbone_channels: int, channels: int, input_size: int
    ) -> None:
        super().__init__(input_size)
        self.backbone = backbone
        self.head = StudentHead(backbone_channels, channels, self.grid)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        return (self.head(self.backbone(pixel_values)),)
