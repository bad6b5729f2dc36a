"""SAM 3's feature pyramid: the trunk's one map at four, two and one times its resolution.

The necks of detector and tracker have the same structure and their own weights. For export their
convolutions are folded where no activation lies between: less work, same numbers. A level's last
deconvolution, its 1x1 and its 3x3 convolution are linear, so they are one kernel; kernels are
combined in float64. GFLOP figures are for a full-size level before and after.
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam3.modeling_sam3 import Sam3FPNLayer

from sam3_ros.export.bindings import Rule

#: The original's fourth, half the resolution, is never read.
SCALES = (4.0, 2.0, 1.0)
FINE, MIDDLE, COARSE = 0, 1, 2

Kernel = TypeVar("Kernel", nn.Conv2d, nn.ConvTranspose2d)
#: Engines compute channels in blocks of this many, so one more channel costs as much as one more
#: block.
BLOCK = 16


class Neck(nn.Module):
    """The feature pyramid, or only the levels asked for.

    f32[1,trunk_channels,g,g] -> f32[1,width,4g,4g] (FINE), [1,width,2g,2g] (MIDDLE) and
    [1,width,g,g] (COARSE). Source: facebookresearch/sam3, sam3/model/necks.py.
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
        """Return one of the levels asked for: scale_layers, then proj1 and proj2."""
        return self.levels[str(level)]


def neck_rules(attribute: str, originals: str) -> tuple[Rule, ...]:
    """Return name rules of a Neck held as `attribute`, whose originals are below `originals`."""
    ours = rf"{attribute}\.levels\."
    return (
        (ours + r"0\.scale_layers\.0\.(.*)", originals + r"0.dconv_2x2_0.\1"),
        (ours + r"0\.scale_layers\.2\.(.*)", originals + r"0.dconv_2x2_1.\1"),
        (ours + r"1\.scale_layers\.0\.(.*)", originals + r"1.dconv_2x2.\1"),
        (ours + r"(\d)\.proj1\.(.*)", originals + r"\1.conv_1x1.\2"),
        (ours + r"(\d)\.proj2\.(.*)", originals + r"\1.conv_3x3.\2"),
    )


class ConvolvedUpsampling(nn.Module):
    """A deconvolution that doubles, then a 3x3 convolution: f32[1,C',h,w] -> f32[1,D,2h,2w].

    Each of the four output cells of an input cell depends on two by two input cells. So both are
    one 2x2 convolution to four times the channels, which are interleaved as an even and an odd
    grid. Beyond the border the 3x3 sees zeros, not the deconvolution's bias; so that bias is the
    weight of a channel that is one inside: C' is with_constant's, for its deconvolution's C.
    """

    def __init__(self, deconvolution: nn.ConvTranspose2d, convolution: nn.Conv2d) -> None:
        super().__init__()
        kernel, bias = _with_bias_channel(deconvolution), convolution.bias.double()
        # What one cell adds to the cells around it, [C',D,4,4]: from one before its first cell.
        spread = F.conv2d(kernel, convolution.weight.double(), padding=2)
        taps = spread.unflatten(2, (2, 2)).unflatten(4, (2, 2)).flip(2, 4)
        weight = taps.permute(1, 3, 5, 0, 2, 4).flatten(0, 2)
        self.convolution = _conv(weight, bias.repeat_interleave(4), padding=1)

    def forward(self, x: Tensor) -> Tensor:
        # The grids meet between two cells; cut off what lies outside the first and the last.
        return F.pixel_shuffle(self.convolution(x), 2)[:, :, 1:-1, 1:-1]


class FoldedFineLevel(nn.Module):
    """The level of four times the resolution: f32[1,C,g,g] -> f32[1,D,4g,4g].

    last: a 1x1 convolution behind the level. 152 to 114 GFLOP; with the 32 channels of the
    tracker's last, 153 to 33.
    """

    def __init__(self, level: Sam3FPNLayer, last: nn.Conv2d | None = None) -> None:
        super().__init__()
        first, self.activation, second = level.scale_layers
        self.first = _with_constant_output(first, self.activation)
        self.rest = ConvolvedUpsampling(
            pointwise_after(second, level.proj1), _ending(level.proj2, last)
        )

    def forward(self, trunk: Tensor) -> Tensor:
        return self.rest(self.activation(self.first(trunk)))


class FoldedMiddleLevel(nn.Module):
    """The level of twice the resolution, f32[1,C,g,g] -> f32[1,D,2g,2g]: 52 to 35 GFLOP.

    Folding the 3x3 in as well would cost more than it saves.
    """

    def __init__(self, level: Sam3FPNLayer) -> None:
        super().__init__()
        self.first = pointwise_after(level.scale_layers[0], level.proj1)
        self.second = level.proj2

    def forward(self, trunk: Tensor) -> Tensor:
        return self.second(self.first(trunk))


class FoldedNarrowMiddleLevel(nn.Module):
    """The same with a 1x1 convolution to few channels behind it: 52 to 11 GFLOP for 64 of them."""

    def __init__(self, level: Sam3FPNLayer, last: nn.Conv2d) -> None:
        super().__init__()
        first = pointwise_after(level.scale_layers[0], level.proj1)
        self.rest = ConvolvedUpsampling(first, _ending(level.proj2, last))

    def forward(self, trunk: Tensor) -> Tensor:
        return self.rest(with_constant(trunk))


def with_constant(x: Tensor) -> Tensor:
    """Append channels of ones up to a whole block of channels: f32[1,C,h,w] -> f32[1,C',h,w]."""
    spare = _spare(x.shape[1])
    return torch.cat([x, x.new_ones(1, spare, *x.shape[2:])], dim=1)


def pointwise_after(convolution: nn.ConvTranspose2d, pointwise: nn.Conv2d) -> nn.ConvTranspose2d:
    """Return a deconvolution and a 1x1 convolution behind it as one deconvolution."""
    matrix = pointwise.weight.double()[:, :, 0, 0]
    weight = torch.einsum("imyx,om->ioyx", convolution.weight.double(), matrix)
    return _deconv(weight, matrix @ convolution.bias.double() + pointwise.bias.double())


def _ending(convolution: nn.Conv2d, last: nn.Conv2d | None) -> nn.Conv2d:
    """Return a 3x3 convolution and a 1x1 convolution behind it, if there is one, as one 3x3."""
    if last is None:
        return convolution
    matrix = last.weight.double()[:, :, 0, 0]
    weight = torch.einsum("miyx,om->oiyx", convolution.weight.double(), matrix)
    return _conv(weight, matrix @ convolution.bias.double() + last.bias.double(), padding=1)


def _with_bias_channel(deconvolution: nn.ConvTranspose2d) -> Tensor:
    """Return f64[C',D,2,2]: the weight, with the bias as that of the channel after the last."""
    weight = deconvolution.weight.double()
    bias = deconvolution.bias.double()[None, :, None, None].expand(1, -1, *weight.shape[2:])
    unused = weight.new_zeros(_spare(len(weight)) - 1, *weight.shape[1:])
    return torch.cat([weight, bias, unused])


def _with_constant_output(first: nn.ConvTranspose2d, activation: nn.Module) -> nn.ConvTranspose2d:
    """Return a deconvolution whose activated output is with_constant's."""
    weight, bias = first.weight.double(), first.bias.double()
    spare = _spare(len(bias))
    zeros = weight.new_zeros(len(weight), spare, *weight.shape[2:])
    ones = bias.new_full((spare,), _activated_to_one(activation))
    return _deconv(torch.cat([weight, zeros], dim=1), torch.cat([bias, ones]))


def _activated_to_one(activation: nn.Module) -> float:
    """Return the x for which activation(x) = 1, in float64.

    By bisection of [1, 2], where GELU increases.
    """
    low, high = 1.0, 2.0
    for _ in range(52):
        middle = (low + high) / 2
        below = activation(torch.tensor(middle, dtype=torch.float64)) < 1
        low, high = (middle, high) if below else (low, middle)
    return low


def _spare(channels: int) -> int:
    return BLOCK - channels % BLOCK


def _conv(weight: Tensor, bias: Tensor, padding: int) -> nn.Conv2d:
    outputs, inputs, *kernel = weight.shape
    made = nn.Conv2d(inputs, outputs, tuple(kernel), padding=padding)
    return _filled(made, weight, bias)


def _deconv(weight: Tensor, bias: Tensor) -> nn.ConvTranspose2d:
    inputs, outputs, *kernel = weight.shape
    made = nn.ConvTranspose2d(inputs, outputs, tuple(kernel), stride=2)
    return _filled(made, weight, bias)


def _filled(module: Kernel, weight: Tensor, bias: Tensor) -> Kernel:
    module.weight.data, module.bias.data = weight.float().contiguous(), bias.float()
    return module.eval().requires_grad_(False)
