"""EfficientSAM3's image encoder: a small backbone that imitates the features of SAM 3's ViT.

Facts from SimonZeng7108/efficientsam3, `ImageStudentEncoder` in sam3/model_builder.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.fills import unit_features
from sam3_ros.export.stage import Stage, TensorInput
from sam3_ros.export.weights.names import NameRules

TRUNK = "detector.backbone.vision_backbone.trunk."
STUDENT = TRUNK + "model."
PATCH = 14


class StudentHead(nn.Sequential):
    """[B, backbone channels, h, w] -> [B, channels, grid, grid], the ViT's channels and grid."""

    def __init__(self, backbone_channels: int, channels: int, grid: int) -> None:
        super().__init__(
            nn.Conv2d(backbone_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self._grid = grid

    def forward(self, features: Tensor) -> Tensor:
        features = super().forward(features)
        if features.shape[-2:] == (self._grid, self._grid):
            return features
        size = (self._grid, self._grid)
        return F.interpolate(features, size=size, mode="bilinear", align_corners=False)


class StudentTrunk(Stage):
    """pixel_values f32[1, 3, S, S] -> trunk f32[1, channels, S // 14, S // 14]."""

    outputs: ClassVar[tuple[str, ...]] = ("trunk",)
    original_names = NameRules(
        ((r"backbone\.(.*)", STUDENT + r"backbone.model.\1"), (r"head\.(.*)", STUDENT + r"head.\1"))
    )

    def __init__(
        self, backbone: nn.Module, backbone_channels: int, channels: int, input_size: int
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = StudentHead(backbone_channels, channels, input_size // PATCH)
        self._input_size = input_size

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        size = self._input_size
        return {"pixel_values": TensorInput((1, 3, size, size), unit_features)}

    def forward(self, pixel_values: Tensor) -> tuple[Tensor]:
        return (self.head(self.backbone(pixel_values)),)
