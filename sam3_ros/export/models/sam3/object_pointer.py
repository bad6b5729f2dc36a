"""The stage that summarises the appearance of an object as one vector per frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import (
    Sam3TrackerVideoFeedForward,
)

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import unit_features
from sam3_ros.export.models.sam3.mask_decoder import feed_forward_rules
from sam3_ros.export.models.sam3.tracker_sizes import MASKS, TRACKER, TrackerSizes
from sam3_ros.export.stage import StageModule, TensorInput


class ObjectPointer(StageModule):
    """The object pointers: one vector for each mask.

    sam_tokens f32[P,4,D], object_score f32[P,1] -> pointers f32[P,4,D].

    Keep the pointer of the chosen mask where the prompt was ambiguous (no point, as on a tracked
    frame, or one, as on a first click: the best rated of 1:4), else that of mask 0, also where the
    stability rule chose another mask. At a score of 0 or below all are the pointer of "no object".
    Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py.
    """

    outputs = ("pointers",)
    original_names = NameRules(
        (
            *feed_forward_rules("projection", TRACKER + "obj_ptr_proj"),
            (r"no_obj_ptr", TRACKER + "no_obj_ptr"),
        )
    )

    def __init__(self, sizes: TrackerSizes) -> None:
        super().__init__()
        width = sizes.width
        self.projection = Sam3TrackerVideoFeedForward(width, width, width, num_layers=3)
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, width))
        self._width = width

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "sam_tokens": TensorInput(("prompts", MASKS, self._width), unit_features),
            "object_score": TensorInput(("prompts", 1), unit_features),
        }

    def forward(self, sam_tokens: Tensor, object_score: Tensor) -> tuple[Tensor, ...]:
        there = (object_score > 0)[:, None]
        return (torch.where(there, self.projection(sam_tokens), self.no_obj_ptr),)
