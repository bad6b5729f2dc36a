"""RepViT, its branches unfused as in the checkpoints.

Architecture: Wang et al., arXiv 2307.09283. Module names are the original's (jameslahm/RepViT), so
its tensors need no renaming. timm has the network too, but cannot be imported without torchvision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor, nn

from sam3_ros.export.bindings import Shapes
from sam3_ros.export.folding import Foldable, kernel_of, normed, with_kernel
from sam3_ros.export.models.trunks.normed_convolution import NormedConvolution, stride_four_stem

REDUCTION = 4
DIVISOR = 8


@dataclass(frozen=True)
class RepVitSizes:
    """Sizes of each resolution (strides 4, 8, 16, 32)."""

    #: Channels.
    widths: tuple[int, ...]
    #: Blocks that keep the resolution.
    depths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.depths) or not self.widths:
            raise ValueError(f"{len(self.widths)} widths but {len(self.depths)} depths")

    @property
    def channels(self) -> int:
        """Channels of the features that `build()` returns."""
        return self.widths[-1]

    def build(self) -> nn.Module:
        """Return the network, its weights not filled."""
        return RepVit(self)

    @staticmethod
    def from_shapes(shapes: Shapes) -> RepVitSizes | None:
        """Return the sizes of tensors named as in RepVit; None for another network."""
        if "features.0.2.c.weight" not in shapes:
            return None
        widths, depths = [shapes["features.0.2.c.weight"][0]], [0]
        indices = {int(m[1]) for name in shapes if (m := re.match(r"features\.(\d+)\.", name))}
        for index in sorted(indices - {0}):
            downsamples = f"features.{index}.token_mixer.2.c.weight"
            if downsamples in shapes:
                widths.append(shapes[downsamples][0])
                depths.append(0)
            else:
                depths[-1] += 1
        return RepVitSizes(tuple(widths), tuple(depths))


class SqueezeExcite(nn.Module):
    """Channels weighted by the mean over the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        nearest = (channels // REDUCTION + DIVISOR // 2) // DIVISOR * DIVISOR
        reduced = max(DIVISOR, nearest)
        self.fc1 = nn.Conv2d(channels, reduced, 1)
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(reduced, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.fc2(self.act(self.fc1(mean))))


class DepthwiseBranches(Foldable):
    """A 3x3 and a 1x1 depthwise convolution and the identity, summed and normed.

    All of them are one 3x3 depthwise convolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = NormedConvolution(channels, channels, kernel=3, groups=channels)
        self.conv1 = nn.Conv2d(channels, channels, 1, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn((self.conv(x) + self.conv1(x)) + x)

    def folded(self) -> nn.Module:
        weight, bias = normed(kernel_of(self.conv.c), self.conv.bn)
        point, point_bias = kernel_of(self.conv1)
        weight[:, :, 1, 1] += point[:, :, 0, 0] + 1
        return with_kernel(self.conv.c, normed((weight, bias + point_bias), self.bn))


class ChannelMixer(nn.Module):
    """Two 1x1 convolutions with a GELU between, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.m = nn.Sequential(
            NormedConvolution(channels, 2 * channels),
            nn.GELU(),
            NormedConvolution(2 * channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.m(x)


class RepVitBlock(nn.Module):
    """Mixes neighbours, then channels. A downsampling block halves height and width."""

    def __init__(self, inputs: int, outputs: int, downsamples: bool, squeezes: bool) -> None:
        super().__init__()
        squeeze = SqueezeExcite(inputs) if squeezes else nn.Identity()
        if downsamples:
            self.token_mixer = nn.Sequential(
                NormedConvolution(inputs, inputs, kernel=3, stride=2, groups=inputs),
                squeeze,
                NormedConvolution(inputs, outputs),
            )
        else:
            self.token_mixer = nn.Sequential(DepthwiseBranches(inputs), squeeze)
        self.channel_mixer = ChannelMixer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.channel_mixer(self.token_mixer(x))


class RepVit(nn.Module):
    """The network: [B, 3, h, w] -> [B, channels, ceil(h / 32), ceil(w / 32)], four resolutions."""

    def __init__(self, sizes: RepVitSizes) -> None:
        super().__init__()
        layers: list[nn.Module] = [stride_four_stem(sizes.widths[0])]
        width = sizes.widths[0]
        for stage, (outputs, depth) in enumerate(zip(sizes.widths, sizes.depths, strict=True)):
            if stage > 0:
                layers.append(RepVitBlock(width, outputs, downsamples=True, squeezes=False))
            width = outputs
            for index in range(depth):
                squeezes = index % 2 == 0 and index < depth - 1
                layers.append(RepVitBlock(width, width, downsamples=False, squeezes=squeezes))
        self.features = nn.Sequential(*layers)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.features(pixel_values)
