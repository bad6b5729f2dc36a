"""The building blocks of EfficientViT, of its small (b0 ... b3) and large (l0 ... xl1) networks.

Architecture: Cai et al., arXiv 2205.14756. Module names are the original's
(mit-han-lab/efficientvit), so its tensors need no renaming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sam3_ros.export.folding import Foldable, with_norm

#: Lower bound of the divisor of linear attention. The original adds it, which is the same in
#: float32 except for sums below 2e-8. But PyTorch's exporter takes 1e-15 for 0 and drops the
#: addition, so that a head that attends to nothing would give NaN.
ATTENTION_EPS = 1e-15


@dataclass(frozen=True)
class BlockStyle:
    """What all blocks of a network have in common."""

    activation: Callable[[], nn.Module]
    norm_eps: float = 1e-5


#: The style of b0 ... b3.
SMALL = BlockStyle(nn.Hardswish)
#: The style of l0 ... xl1 (EfficientViT-SAM sets another norm_eps: 1e-6).
LARGE = BlockStyle(partial(nn.GELU, approximate="tanh"))


class ConvLayer(Foldable):
    """A convolution that keeps the size (before stride), a batch norm, an activation.

    style: None for neither norm nor activation. bias: by default where no norm follows.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        style: BlockStyle | None = None,
        normed: bool = True,
        activated: bool = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        norm_eps = style.norm_eps if style is not None and normed else None
        if bias is None:
            bias = norm_eps is None
        padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=bias)
        self.norm = nn.Identity() if norm_eps is None else nn.BatchNorm2d(outputs, norm_eps)
        self.act = style.activation() if style is not None and activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))

    def folded(self) -> nn.Module:
        if not isinstance(self.norm, nn.BatchNorm2d):
            return self
        return nn.Sequential(with_norm(self.conv, self.norm), self.act)


class Operations(nn.Module):
    """Modules that run one after the other."""

    def __init__(self, operations: Iterable[nn.Module]) -> None:
        super().__init__()
        self.op_list = nn.ModuleList(operations)

    def forward(self, x: Tensor) -> Tensor:
        for operation in self.op_list:
            x = operation(x)
        return x


class Residual(nn.Module):
    """A residual connection: main(x) + x, or main(x) alone where it changes the shape."""

    def __init__(self, main: nn.Module, keeps_shape: bool = True) -> None:
        super().__init__()
        self.main = main
        self._keeps_shape = keeps_shape

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x) + x if self._keeps_shape else self.main(x)


class DepthwiseSeparable(nn.Module):
    """A 3x3 depthwise convolution with an activation, then 1x1 ("ds" in the original)."""

    def __init__(self, inputs: int, outputs: int, stride: int, style: BlockStyle) -> None:
        super().__init__()
        self.depth_conv = ConvLayer(inputs, inputs, 3, stride, groups=inputs, style=style)
        self.point_conv = ConvLayer(inputs, outputs, 1, style=style, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(x))


class InvertedBottleneck(nn.Module):
    """A 1x1 that widens, a 3x3 depthwise, a 1x1 that narrows ("mb").

    fewer_norms: only the last convolution has a norm; the others have a bias.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        expand: float,
        style: BlockStyle,
        fewer_norms: bool = False,
    ) -> None:
        super().__init__()
        wide, normed = round(inputs * expand), not fewer_norms
        self.inverted_conv = ConvLayer(inputs, wide, 1, style=style, normed=normed)
        self.depth_conv = ConvLayer(wide, wide, 3, stride, groups=wide, style=style, normed=normed)
        self.point_conv = ConvLayer(wide, outputs, 1, style=style, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(self.inverted_conv(x)))


class FusedBottleneck(nn.Module):
    """A 3x3 that widens, a 1x1 that narrows ("fmb"). fewer_norms: as in InvertedBottleneck."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        expand: float,
        style: BlockStyle,
        fewer_norms: bool = False,
    ) -> None:
        super().__init__()
        wide = round(inputs * expand)
        self.spatial_conv = ConvLayer(inputs, wide, 3, stride, style=style, normed=not fewer_norms)
        self.point_conv = ConvLayer(wide, outputs, 1, style=style, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_conv(self.spatial_conv(x))


class TwoConvolutions(nn.Module):
    """Two 3x3 with an activation between ("res"). fewer_norms: as in InvertedBottleneck."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        expand: float,
        style: BlockStyle,
        fewer_norms: bool = False,
    ) -> None:
        super().__init__()
        wide = round(inputs * expand)
        self.conv1 = ConvLayer(inputs, wide, 3, stride, style=style, normed=not fewer_norms)
        self.conv2 = ConvLayer(wide, outputs, 3, style=style, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x))


class LinearAttention(nn.Module):
    """Attention with ReLU in place of softmax, over several scales at once ("LiteMLA").

    Its cost grows linearly with the number of pixels: keys and values are multiplied first. The
    original multiplies in the other order where a picture has no more pixels than a head has
    channels; that is the same product. The sums over pixels may exceed fp16's range.
    """

    def __init__(
        self, channels: int, head: int, scales: tuple[int, ...], style: BlockStyle
    ) -> None:
        super().__init__()
        heads = channels // head
        width = 3 * heads * head
        self._head = head
        self.qkv = ConvLayer(channels, width, 1, bias=False)
        self.aggreg = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, k, padding=k // 2, groups=width, bias=False),
                nn.Conv2d(width, width, 1, groups=3 * heads, bias=False),
            )
            for k in scales
        )
        joined = heads * head * (1 + len(scales))
        self.proj = ConvLayer(joined, channels, 1, style=style, activated=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x)
        qkv = torch.cat([qkv, *(aggregate(qkv) for aggregate in self.aggreg)], dim=1)
        batch, channels, height, width = qkv.shape
        heads = qkv.reshape(batch, -1, 3 * self._head, height * width)
        q, k, v = heads.split(self._head, dim=2)
        q, k = q.relu(), k.relu()
        weighed = v @ k.transpose(-1, -2) @ q
        total = k.sum(-1, keepdim=True).transpose(-1, -2) @ q
        attended = weighed / total.clamp(min=ATTENTION_EPS)
        return self.proj(attended.reshape(batch, channels // 3, height, width))


class LinearAttentionBlock(nn.Module):
    """Linear attention, then an inverted bottleneck, both residual ("att", scales (5,) or (3,))."""

    def __init__(
        self,
        channels: int,
        head: int,
        expand: float,
        style: BlockStyle,
        scales: tuple[int, ...] = (5,),
    ) -> None:
        super().__init__()
        attention = LinearAttention(channels, head, scales, style)
        mixer = InvertedBottleneck(channels, channels, 1, expand, style, fewer_norms=True)
        self.context_module = Residual(attention)
        self.local_module = Residual(mixer)

    def forward(self, x: Tensor) -> Tensor:
        return self.local_module(self.context_module(x))
