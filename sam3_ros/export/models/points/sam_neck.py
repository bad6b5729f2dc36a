"""SAM's neck: from the channels of an image encoder to those of the mask decoder."""

from __future__ import annotations

from torch import nn
from transformers.models.sam.modeling_sam import SamLayerNorm

NECK_EPS = 1e-6


def sam_neck(inputs: int, channels: int) -> nn.Sequential:
    """Return a 1x1 and a 3x3 convolution without bias, a norm over the channels after each."""
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 1, bias=False),
        SamLayerNorm(channels, eps=NECK_EPS, data_format="channels_first"),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        SamLayerNorm(channels, eps=NECK_EPS, data_format="channels_first"),
    )
