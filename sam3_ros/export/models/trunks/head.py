"""EfficientSAM3's image encoder: a small backbone that imitates the features of SAM 3's ViT.

Facts from SimonZeng7108/efficientsam3, `ImageStudentEncoder` in sam3/model_builder.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.models.trunks.contract import TRUNK, Trunk
from sam3_ros.export.weights.names import NameRules

STUDENT = TRUNK + "model."


class StudentHead(nn.Sequential):
    """[B, backbone channels, h, w] -> [B, channels, grid, grid], the ViT's channels and grid."""

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
    """The backbone and its head. channels: of the features, the ViT's."""

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
