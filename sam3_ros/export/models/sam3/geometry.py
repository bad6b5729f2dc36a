"""The stage that turns boxes into prompt tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers.models.sam3.configuration_sam3 import Sam3GeometryEncoderConfig
from transformers.models.sam3.modeling_sam3 import Sam3GeometryEncoder, box_cxcywh_to_xyxy

from sam3_ros.export.bindings import NameRules
from sam3_ros.export.family import Unneeded
from sam3_ros.export.fills import binary_labels, leading_mask, unit_boxes, unit_features
from sam3_ros.export.models.sam3.attention import (
    additive_mask,
    grid_positions,
    sine_periods,
    sines,
)
from sam3_ros.export.models.sam3.layer_names import encoder_layer_rules
from sam3_ros.export.models.sam3.sizes import GEOMETRY, DetectorSizes
from sam3_ros.export.stage import StageModule, TensorInput

UNNEEDED = (
    Unneeded(
        r"detector\.geometry_encoder\.points_(direct|pool|pos_enc)_project\..*",
        "the detector's point prompts: the published model answers clicks with its tracker",
    ),
)


class Geometry(StageModule):
    """The geometry encoder: boxes as prompt tokens.

    boxes f32[P,N,4] cxcywh in [0, 1], box_labels int64[P,N] (1 like this, 0 not like this),
    box_mask bool[P,N], fpn2 f32[1,D,g,g] -> geometry_features f32[P,N+1,D], geometry_mask
    bool[P,N+1].

    The last token is the original's CLS token. It is there without any box too; transformers omits
    it then. Source: facebookresearch/sam3, sam3/model/geometry_encoders.py.
    """

    outputs = ("geometry_features", "geometry_mask")
    shortest: ClassVar[Mapping[str, int]] = {"boxes": 0}
    original_names = NameRules(
        (
            *encoder_layer_rules(r"encoder\.layers", GEOMETRY + "encode"),
            (r"encoder\.vision_layer_norm\.(.*)", GEOMETRY + r"img_pre_norm.\1"),
            (r"encoder\.prompt_layer_norm\.(.*)", GEOMETRY + r"norm.\1"),
            (r"encoder\.output_layer_norm\.(.*)", GEOMETRY + r"encode_norm.\1"),
            (r"encoder\.((?:label_embed|cls_embed|boxes_|final_proj).*)", GEOMETRY + r"\1"),
        )
    )
    positions: Tensor
    periods: Tensor

    def __init__(self, sizes: DetectorSizes, grid: int) -> None:
        super().__init__()
        self.encoder = Sam3GeometryEncoder(
            Sam3GeometryEncoderConfig(
                hidden_size=sizes.width,
                num_layers=sizes.geometry_layers,
                num_attention_heads=sizes.heads,
                intermediate_size=sizes.feedforward,
                roi_size=sizes.roi_size,
                attn_implementation="eager",
            )
        )
        self.register_buffer("positions", grid_positions(grid, sizes.width), persistent=False)
        self.register_buffer("periods", sine_periods(sizes.width // 2), persistent=False)
        self._width, self._grid = sizes.width, grid

    @property
    def inputs(self) -> Mapping[str, TensorInput]:
        return {
            "boxes": TensorInput(("prompts", "boxes", 4), unit_boxes),
            "box_labels": TensorInput(("prompts", "boxes"), binary_labels),
            "box_mask": TensorInput(("prompts", "boxes"), leading_mask),
            "fpn2": TensorInput((1, self._width, self._grid, self._grid), unit_features),
        }

    def forward(
        self, boxes: Tensor, box_labels: Tensor, box_mask: Tensor, fpn2: Tensor
    ) -> tuple[Tensor, ...]:
        places = fpn2.flatten(2).transpose(1, 2)
        tokens = self._tokens(boxes, box_labels, self.encoder.vision_layer_norm(places))
        tokens = self.encoder.prompt_layer_norm(self.encoder.final_proj(tokens))
        valid = torch.cat([box_mask, box_mask.new_ones(boxes.shape[0], 1)], dim=1)
        places = places.expand(boxes.shape[0], -1, -1)
        for layer in self.encoder.layers:
            tokens = layer(tokens, places, self.positions, additive_mask(valid))
        return self.encoder.output_layer_norm(tokens), valid

    def _tokens(self, boxes: Tensor, labels: Tensor, places: Tensor) -> Tensor:
        """Return [P,N+1,D]: for each box its coordinates, pooling, position and label; then CLS."""
        net, prompts = self.encoder, boxes.shape[0]
        # A spare row, replaced by CLS at the end, so that no operator gets zero boxes.
        boxes = torch.cat([boxes, boxes.new_full((prompts, 1, 4), 0.5)], dim=1)
        labels = torch.cat([labels, labels.new_zeros(prompts, 1)], dim=1)
        features = places.transpose(1, 2).unflatten(2, (self._grid, self._grid))
        pooled = pool_boxes(features, boxes, net.roi_size).flatten(2)
        pool = net.boxes_pool_project  # a convolution whose kernel covers its whole input
        tokens = (
            net.boxes_direct_project(boxes)
            + nn.functional.linear(pooled, pool.weight.flatten(1), pool.bias)
            + net.boxes_pos_enc_project(self._positions_of(boxes))
            + net.label_embed(labels)
        )
        return torch.cat([tokens[:, :-1], net.cls_embed.weight.expand(prompts, -1, -1)], dim=1)

    def _positions_of(self, boxes: Tensor) -> Tensor:
        x, y, width, height = boxes.split(1, dim=-1)
        centres = sines(torch.cat([y, x], dim=-1), self.periods)
        return torch.cat([centres, height, width], dim=-1)


def pool_boxes(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Return mean features of boxes on a small grid, as plain matrix products.

    f32[1,C,g,g], f32[P,N,4] cxcywh in [0, 1] -> f32[P,N,C,size,size]; N must not be 0.

    The same as torchvision.ops.roi_align(features, boxes, size) with its defaults, which exists
    neither in ONNX's opset with this rounding nor in every torch.

    A bin's value is the mean of bilinear samples, about one per feature in each direction; samples
    outside the features count as zeros. The two directions are independent, so the mean is `rows @
    features @ columns` with one weight per bin and feature. A box wider than the image by more than
    a bin is sampled more coarsely than roi_align would.
    """
    grid = features.shape[-1]
    x1, y1, x2, y2 = (box_cxcywh_to_xyxy(boxes) * grid).unbind(-1)
    columns, rows = _weights(x1, x2, size, grid), _weights(y1, y2, size, grid)
    by_row = features[0].permute(1, 0, 2).flatten(1)  # [g, C*g]
    of_rows = (rows @ by_row).unflatten(-1, (-1, grid))  # [P,N,size,C,g]
    return (of_rows.transpose(2, 3)) @ columns.transpose(2, 3)[:, :, None]


def _weights(start: Tensor, end: Tensor, bins: int, grid: int) -> Tensor:
    """Return the weight of each feature in each bin between start and end: [P,N,bins,grid].

    Source of the rule: torchvision, ops/csrc/ops/cpu/roi_align_kernel.cpp, aligned=False and
    sampling_ratio=-1: at least one feature wide, ceil(width of a bin) samples per bin.
    """
    most = math.ceil(grid / bins) + 1
    width = ((end - start).clamp(min=1) / bins)[..., None, None]  # of a bin
    samples = width.ceil().clamp(max=most)
    sample = torch.arange(most, device=start.device).to(start.dtype)
    bin_ = torch.arange(bins, device=start.device).to(start.dtype)[:, None]
    at = start[..., None, None] + bin_ * width + (sample + 0.5) * width / samples
    counts = (sample < samples) & (at >= -1) & (at <= grid)
    inside = at.clamp(0, grid - 1)[..., None]
    feature = torch.arange(grid, device=start.device).to(start.dtype)
    bilinear = (1 - (inside - feature).abs()).clamp(min=0)  # [P,N,bins,most,grid]
    return (bilinear * counts[..., None].to(start.dtype)).sum(-2) / samples
