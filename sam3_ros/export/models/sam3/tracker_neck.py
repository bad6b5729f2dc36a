"""The stage that computes the tracker's feature maps from the trunk's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.fills import unit_features
from sam3_ros.export.models.sam3.neck import (
    COARSE,
    FINE,
    MIDDLE,
    FoldedFineLevel,
    FoldedNarrowMiddleLevel,
    Neck,
    neck_rules,
)
from sam3_ros.export.models.sam3.tracker_sizes import (
    MASK_DECODER,
    TRACKER,
    TRACKER_NECK,
    TrackerSizes,
)
from sam3_ros.export.stage import StageModule, TensorInput

UNNEEDED = (
    Unneeded(
        r"detector\.backbone\.vision_backbone\.sam2_convs\.3\..*",
        "the tracker neck's half resolution level, which the original computes and drops",
    ),
    Unneeded(
        r"detector\.backbone\.vision_backbone\.sam2_convs\.[012]\.(dconv_2x2(_[01])?|conv_[13]x[13])\..*",
        "the tracker's neck: the file has no tracker",
        without=TRACKER,
    ),
    Unneeded(
        r"tracker\.no_mem_pos_enc",
        "the original adds no_mem_embed to frames without a memory and never reads their position",
    ),
)


class TrackerNeck(StageModule):
    """The tracker's neck: trunk f32[1,C,g,g] -> what clicks need, once per image.

    sam_embed f32[1,D,g,g] includes the "no memory" embedding: the mask decoder takes it for single
    images and for the first frame of an object. frame_features f32[1,D,g,g] is the same without it,
    for the memory encoder and the memory attention. sam_s0 f32[1,D/8,4g,4g] and sam_s1
    f32[1,D/4,2g,2g] have the mask decoder's first convolutions applied, as in the original.

    Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py and sam1_task_predictor.py.
    """

    outputs = ("sam_embed", "sam_s0", "sam_s1", "frame_features")
    original_names = NameRules(
        (
            *neck_rules("neck", TRACKER_NECK),
            (r"(conv_s[01]\..*)", MASK_DECODER + r"\1"),
            (r"no_mem_embed", TRACKER + "no_mem_embed"),
        )
    )

    def __init__(self, sizes: TrackerSizes, grid: int) -> None:
        super().__init__()
        self.neck = Neck(sizes.trunk_channels, sizes.width)
        self.conv_s0 = nn.Conv2d(sizes.width, sizes.width // 8, 1)
        self.conv_s1 = nn.Conv2d(sizes.width, sizes.width // 4, 1)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self._trunk = (1, sizes.trunk_channels, grid, grid)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {"trunk": TensorInput(self._trunk, unit_features)}

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        fine, middle, coarse = self.neck(trunk)
        sam_embed = coarse + self.no_mem_embed.reshape(1, -1, 1, 1)
        return sam_embed, self.conv_s0(fine), self.conv_s1(middle), coarse

    def folded(self) -> StageModule:
        return _FoldedTrackerNeck(self)


class _FoldedTrackerNeck(StageModule):
    outputs = TrackerNeck.outputs

    def __init__(self, plain: TrackerNeck) -> None:
        super().__init__()
        self.fine = FoldedFineLevel(plain.neck.level(FINE), plain.conv_s0)
        self.middle = FoldedNarrowMiddleLevel(plain.neck.level(MIDDLE), plain.conv_s1)
        self.coarse = plain.neck.level(COARSE)
        self.no_mem_embed = plain.no_mem_embed
        self._inputs = plain.inputs

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return self._inputs

    def forward(self, trunk: Tensor) -> tuple[Tensor, ...]:
        coarse = self.coarse(trunk)
        sam_embed = coarse + self.no_mem_embed.reshape(1, -1, 1, 1)
        return sam_embed, self.fine(trunk), self.middle(trunk), coarse
