"""A convolution and its batch norm, named as RepViT and TinyViT name them."""

from __future__ import annotations

from torch import nn


class NormedConvolution(nn.Sequential):
    """`c`, a convolution without bias that keeps the size (before stride), then `bn`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        padding = kernel // 2
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)


def stride_four_stem(width: int) -> nn.Sequential:
    """Return a module: [B, 3, h, w] -> [B, width, ceil(h / 4), ceil(w / 4)]."""
    return nn.Sequential(
        NormedConvolution(3, width // 2, kernel=3, stride=2),
        nn.GELU(),
        NormedConvolution(width // 2, width, kernel=3, stride=2),
    )
