"""SAM 3's feature pyramid: the trunk's one map at four, two and one times its resolution.

The detector's neck and the tracker's have the same form and weights of their own.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers.models.sam3.modeling_sam3 import Sam3FPNLayer

from sam3_ros.export.weights.names import Rule

SCALES = (4.0, 2.0, 1.0)  # the original's fourth, half the resolution, is never read
FINE, MIDDLE, COARSE = 0, 1, 2


class Neck(nn.Module):
    """f32[1,trunk_channels,g,g] to those asked for of f32[1,width,4g,4g] (FINE), [1,width,2g,2g]
    (MIDDLE) and [1,width,g,g] (COARSE).

    Source: facebookresearch/sam3, sam3/model/necks.py.
    """

    def __init__(
        self, trunk_channels: int, width: int, levels: tuple[int, ...] = (FINE, MIDDLE, COARSE)
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(
            {str(level): Sam3FPNLayer(trunk_channels, width, SCALES[level]) for level in levels}
        )

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        return tuple(level(trunk) for level in self.levels.values())

    def level(self, level: int) -> Sam3FPNLayer:
        """One of the levels asked for: scale_layers, then proj1 and proj2."""
        return self.levels[str(level)]


def neck_rules(attribute: str, originals: str) -> tuple[Rule, ...]:
    """Name rules of a Neck held as `attribute`, whose originals stand below `originals`."""
    ours = rf"{attribute}\.levels\."
    return (
        (ours + r"0\.scale_layers\.0\.(.*)", originals + r"0.dconv_2x2_0.\1"),
        (ours + r"0\.scale_layers\.2\.(.*)", originals + r"0.dconv_2x2_1.\1"),
        (ours + r"1\.scale_layers\.0\.(.*)", originals + r"1.dconv_2x2.\1"),
        (ours + r"(\d)\.proj1\.(.*)", originals + r"\1.conv_1x1.\2"),
        (ours + r"(\d)\.proj2\.(.*)", originals + r"\1.conv_3x3.\2"),
    )
