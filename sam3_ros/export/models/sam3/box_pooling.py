"""Mean features of boxes on a small grid, as plain products of matrices.

The same as torchvision.ops.roi_align(features, boxes, size) with its defaults, which exists
neither in ONNX's opset with these roundings nor in every torch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers.models.sam3.modeling_sam3 import box_cxcywh_to_xyxy


def pool_boxes(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """f32[1,C,g,g], f32[P,N,4] cxcywh in [0, 1] -> f32[P,N,C,size,size]; N may not be 0.

    A bin's value is the mean of bilinear samples, about one a feature in each direction; samples
    outside of the features count as zeros. Both directions are independent, so that the mean is
    `rows @ features @ columns` with one weight a bin and feature. A box wider than the image by
    more than a bin is sampled more coarsely than roi_align would.
    """
    grid = features.shape[-1]
    x1, y1, x2, y2 = (box_cxcywh_to_xyxy(boxes) * grid).unbind(-1)
    columns, rows = _weights(x1, x2, size, grid), _weights(y1, y2, size, grid)
    by_row = features[0].permute(1, 0, 2).flatten(1)  # [g, C*g]
    of_rows = (rows @ by_row).unflatten(-1, (-1, grid))  # [P,N,size,C,g]
    return (of_rows.transpose(2, 3)) @ columns.transpose(2, 3)[:, :, None]


def _weights(start: Tensor, end: Tensor, bins: int, grid: int) -> Tensor:
    """How much each of `grid` features counts in each bin between start and end: [P,N,bins,grid].

    Source of the rule: torchvision, ops/csrc/ops/cpu/roi_align_kernel.cpp, aligned=False and
    sampling_ratio=-1: at least one feature wide, ceil(width of a bin) samples a bin.
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
