"""The stage that turns clicks, box corners and a mask into prompt tokens."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers.models.sam3_tracker.configuration_sam3_tracker import (
    Sam3TrackerPromptEncoderConfig,
)
from transformers.models.sam3_tracker.modeling_sam3_tracker import Sam3TrackerPromptEncoder

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.fills import click_labels, flags, mask_logits, points_within
from sam3_ros.export.models.sam3.tracker_sizes import (
    MASK_SCALE,
    PATCH,
    PROMPT_ENCODER,
    TrackerSizes,
)
from sam3_ros.export.stage import StageModule, TensorInput

PADDING = -1
POSITION_MATRIX = PROMPT_ENCODER + "pe_layer.positional_encoding_gaussian_matrix"


class PromptEncoder(StageModule):
    """The prompt encoder: clicks as tokens, a mask as a feature map.

    point_coords f32[P,N,2], point_labels int64[P,N], mask_input f32[P,1,4g,4g], has_mask f32[P] ->
    sparse f32[P,N+1,D], dense f32[P,D,g,g].

    point_coords are x, y in pixels of the model's input; a pixel's centre is half a pixel behind
    its index. point_labels: -1 padding, 0 negative, 1 positive, 2 the top left and 3 the bottom
    right corner of a box, which come first. The padding point that the original adds to every
    prompt is added here (manifest: padding_point "inside"). mask_input, logits, counts where
    has_mask is 1.

    Source: facebookresearch/sam3, sam3/sam/prompt_encoder.py.
    """

    outputs = ("sparse", "dense")
    original_names = NameRules(
        (
            (r"encoder\.shared_embedding\.positional_embedding", POSITION_MATRIX),
            (
                r"encoder\.point_embed\.weight",
                tuple(f"{PROMPT_ENCODER}point_embeddings.{label}.weight" for label in range(4)),
            ),
            (r"encoder\.(no_mask_embed|not_a_point_embed)\.weight", PROMPT_ENCODER + r"\1.weight"),
            (r"encoder\.mask_embed\.conv1\.(.*)", PROMPT_ENCODER + r"mask_downscaling.0.\1"),
            (r"encoder\.mask_embed\.layer_norm1\.(.*)", PROMPT_ENCODER + r"mask_downscaling.1.\1"),
            (r"encoder\.mask_embed\.conv2\.(.*)", PROMPT_ENCODER + r"mask_downscaling.3.\1"),
            (r"encoder\.mask_embed\.layer_norm2\.(.*)", PROMPT_ENCODER + r"mask_downscaling.4.\1"),
            (r"encoder\.mask_embed\.conv3\.(.*)", PROMPT_ENCODER + r"mask_downscaling.6.\1"),
        )
    )

    def __init__(self, sizes: TrackerSizes, grid: int) -> None:
        super().__init__()
        config = Sam3TrackerPromptEncoderConfig(
            hidden_size=sizes.width,
            image_size=grid * PATCH,
            mask_input_channels=sizes.mask_prompt_channels,
        )
        self.encoder = Sam3TrackerPromptEncoder(config)
        self._input_size = float(grid * PATCH)
        self._mask = ("prompts", 1, MASK_SCALE * grid, MASK_SCALE * grid)

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        anywhere = points_within(self._input_size, self._input_size)
        return {
            "point_coords": TensorInput(("prompts", "points", 2), anywhere),
            "point_labels": TensorInput(("prompts", "points"), click_labels),
            "mask_input": TensorInput(self._mask, mask_logits),
            "has_mask": TensorInput(("prompts",), flags),
        }

    def forward(
        self, point_coords: Tensor, point_labels: Tensor, mask_input: Tensor, has_mask: Tensor
    ) -> tuple[Tensor, ...]:
        return self._sparse(point_coords, point_labels), self._dense(mask_input, has_mask)

    def _sparse(self, coords: Tensor, labels: Tensor) -> Tensor:
        encoder = self.encoder
        position = encoder.shared_embedding((coords + 0.5) / self._input_size)
        point = position + encoder.point_embed(labels.clamp(min=0))
        padding = encoder.not_a_point_embed.weight[None]
        points = torch.where((labels == PADDING)[..., None], padding, point)
        return torch.cat([points, padding.expand(coords.shape[0], -1, -1)], dim=1)

    def _dense(self, mask: Tensor, has_mask: Tensor) -> Tensor:
        none = self.encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
        given = (has_mask > 0.5)[:, None, None, None]
        return torch.where(given, self.encoder.mask_embed(mask), none)
