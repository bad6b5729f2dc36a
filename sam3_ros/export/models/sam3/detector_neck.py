"""The stages that compute the detector's feature maps from the trunk's.

Two, because the finer maps are needed only where a mask is computed.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.fills import unit_features
from sam3_ros.export.models.sam3.neck import (
    COARSE,
    FINE,
    MIDDLE,
    FoldedFineLevel,
    FoldedMiddleLevel,
    Neck,
    neck_rules,
)
from sam3_ros.export.models.sam3.sizes import NECK, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput

UNNEEDED = (
    Unneeded(
        r"detector\.backbone\.vision_backbone\.convs\.3\..*",
        "the neck's half resolution level, which the original computes and drops",
    ),
)


class DetectorNeck(StageModule):
    """The coarse level: trunk f32[1,C,g,g] -> fpn2 f32[1,D,g,g]."""

    outputs = ("fpn2",)
    original_names = NameRules(neck_rules("neck", NECK))

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.neck = Neck(sizes.trunk_channels, sizes.width, (COARSE,))
        self._trunk = (1, sizes.trunk_channels, grid, grid)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"trunk": TensorInput(self._trunk, unit_features)}

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        return self.neck(trunk)


class DetectorPyramid(StageModule):
    """The levels for masks: trunk f32[1,C,g,g] -> fpn0 f32[1,D,4g,4g], fpn1 f32[1,D,2g,2g]."""

    outputs = ("fpn0", "fpn1")
    original_names = NameRules(neck_rules("neck", NECK))

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.neck = Neck(sizes.trunk_channels, sizes.width, (FINE, MIDDLE))
        self._trunk = (1, sizes.trunk_channels, grid, grid)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"trunk": TensorInput(self._trunk, unit_features)}

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        return self.neck(trunk)

    def folded(self) -> StageModule:
        return _FoldedPyramid(self)


class _FoldedPyramid(StageModule):
    outputs = DetectorPyramid.outputs

    def __init__(self, plain: DetectorPyramid) -> None:
        super().__init__()
        self.fine = FoldedFineLevel(plain.neck.level(FINE))
        self.middle = FoldedMiddleLevel(plain.neck.level(MIDDLE))
        self._inputs = plain.inputs

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return self._inputs

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        return self.fine(trunk), self.middle(trunk)
