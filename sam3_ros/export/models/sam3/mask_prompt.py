"""The stage that turns a given mask into the first prompt of an object in a video."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import mask_probabilities
from sam3_ros.export.models.sam3.tracker_sizes import (
    MASK_SCALE,
    OBJECT_MASK_SCALE,
    TRACKER,
)
from sam3_ros.export.stage import StageModule, TensorInput

_STRIDE = OBJECT_MASK_SCALE // MASK_SCALE


class MaskDownsampling(StageModule):
    """The mask's downsampling: object_mask f32[P,1,16g,16g] -> mask_prompt f32[P,1,4g,4g].

    object_mask is the given mask, 0 or 1 in the size of the video, resized bilinearly with
    antialiasing to 16 pixels a grid cell (1152 for an input of 1008); values between 0 and 1 at its
    edges stay as they are.

    The result is the mask_input. With it (has_mask 1), one padding point, and frame_features in
    place of sam_embed, the mask decoder gives the token and the score for the object's first
    pointer, that of mask 0. The answer is the given mask itself; for the memory its object score is
    +10. A mask that is 0 everywhere has -10, and the pointer of "no object".

    Source: facebookresearch/sam3, sam3/model/sam3_tracking_predictor.py (the size) and
    sam3_tracker_base.py.
    """

    outputs = ("mask_prompt",)
    original_names = NameRules(((r"mask_downsample\.(.*)", TRACKER + r"mask_downsample.\1"),))

    def __init__(self, grid: int) -> None:
        super().__init__()
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=_STRIDE, stride=_STRIDE)
        self._grid = grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        side = OBJECT_MASK_SCALE * self._grid
        return {"object_mask": TensorInput(("prompts", 1, side, side), mask_probabilities)}

    def forward(self, object_mask: Tensor) -> tuple[Tensor, ...]:
        return (self.mask_downsample(object_mask),)
