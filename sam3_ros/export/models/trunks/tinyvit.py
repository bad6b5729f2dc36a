"""TinyViT.

Architecture: Wu et al., arXiv 2207.10666. Module names are the original's (microsoft/Cream,
TinyViT), so its tensors need no renaming. Windows that do not fit are padded with zeros that take
part in the attention, as in the original.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam3_ros.export.attention import attend
from sam3_ros.export.bindings import Shapes
from sam3_ros.export.folding import Foldable, with_folded_parts
from sam3_ros.export.models.trunks.normed_convolution import NormedConvolution, stride_four_stem

EXPAND = 4


@dataclass(frozen=True)
class TinyVitSizes:
    """Sizes of each resolution."""

    #: Channels.
    widths: tuple[int, ...]
    #: Blocks.
    depths: tuple[int, ...]
    #: Attention heads of all but the first resolution, which does not attend.
    heads: tuple[int, ...]
    #: Sides of their windows.
    windows: tuple[int, ...]
    #: 2, or 1 in MobileSAM, whose last two resolutions are the same.
    last_stride: int = 2

    def __post_init__(self) -> None:
        lengths = (len(self.widths), len(self.depths), len(self.heads) + 1, len(self.windows) + 1)
        if len(set(lengths)) > 1 or lengths[0] < 2:
            raise ValueError(f"widths, depths, heads, windows for {lengths} resolutions")

    @property
    def channels(self) -> int:
        """Channels of the features that `build()` returns."""
        return self.widths[-1]

    def build(self) -> nn.Module:
        """Return the network, its weights not filled."""
        return TinyVit(self)

    @staticmethod
    def from_shapes(shapes: Shapes) -> TinyVitSizes | None:
        """Return the sizes of tensors named as in TinyVit; None for another network.

        No tensor shows last_stride: it is 2 here.
        """
        if "patch_embed.seq.2.c.weight" not in shapes:
            return None
        widths, heads, windows = {0: shapes["patch_embed.seq.2.c.weight"][0]}, {}, {}
        blocks: dict[int, set[int]] = {}
        for name, shape in shapes.items():
            if found := re.fullmatch(r"layers\.(\d+)\.blocks\.(\d+)\.(.*)", name):
                layer = int(found[1])
                blocks.setdefault(layer, set()).add(int(found[2]))
                if found[3] == "attn.attention_biases":
                    heads[layer], windows[layer] = shape[0], math.isqrt(shape[1])
                elif found[3] == "attn.norm.weight":
                    widths[layer] = shape[0]
        order = sorted(blocks)
        if sorted(widths) != order or sorted(heads) != order[1:] or len(order) < 2:
            return None
        return TinyVitSizes(
            tuple(widths[layer] for layer in order),
            tuple(len(blocks[layer]) for layer in order),
            tuple(heads[layer] for layer in order[1:]),
            tuple(windows[layer] for layer in order[1:]),
        )


class ConvolutionBlock(nn.Module):
    """A 1x1 that widens, a 3x3 depthwise, a 1x1 that narrows, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = EXPAND * channels
        self.conv1 = NormedConvolution(channels, wide)
        self.conv2 = NormedConvolution(wide, wide, kernel=3, groups=wide)
        self.conv3 = NormedConvolution(wide, channels)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.act(self.conv2(self.act(self.conv1(x))))
        return self.act(self.conv3(inner) + x)


class Downsampling(nn.Module):
    """The step to the channels and the resolution of the next layer."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = NormedConvolution(inputs, outputs)
        self.conv2 = NormedConvolution(outputs, outputs, kernel=3, stride=stride, groups=outputs)
        self.conv3 = NormedConvolution(outputs, outputs)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.act(self.conv2(self.act(self.conv1(x)))))


class WindowAttention(nn.Module):
    """Attention with a bias by distance: [windows, window * window, channels] -> the same."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("_distances", _distances(window), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        windows, length, channels = x.shape
        qkv = self.qkv(self.norm(x)).reshape(windows, length, self._heads, -1).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)
        read = attend(q, k, v, self.bias())
        return self.proj(read.transpose(1, 2).reshape(windows, length, channels))

    def bias(self) -> Tensor:
        """Return what is added to the scores, [1, heads, length, length]."""
        length = math.isqrt(len(self._distances))
        biases = self.attention_biases.index_select(1, self._distances)
        return biases.unflatten(1, (length, length))[None]


def _distances(window: int) -> Tensor:
    """Return int64 [window ** 4]: the bias table's column for each pair of a window's cells."""
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return ((y[:, None] - y).abs() * window + (x[:, None] - x).abs()).flatten()


class Mlp(nn.Module):
    """A layer norm and a feed-forward network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, EXPAND * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(EXPAND * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(self.norm(x))))


class WindowAttentionBlock(Foldable):
    """Attention within windows, a depthwise convolution, an MLP: [B, C, h, w] -> the same."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self._heads, self._window = heads, window
        self.attn = WindowAttention(channels, heads, window)
        self.local_conv = NormedConvolution(channels, channels, kernel=3, groups=channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        # Channels are last but in the convolution, so that whole rows of them are moved.
        cells = x.permute(0, 2, 3, 1)
        cells = cells + self._attended(cells)
        cells = self.local_conv(cells.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (cells + self.mlp(cells)).permute(0, 3, 1, 2)

    def _attended(self, cells: Tensor) -> Tensor:
        """Return what each cell, [B, h, w, C], reads in its window."""
        batch, height, width, channels = cells.shape
        side = self._window
        below, right = -height % side, -width % side
        padded = F.pad(cells, (0, 0, 0, right, 0, below))
        rows, columns = (height + below) // side, (width + right) // side
        cut = padded.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
        read = self.attn(cut.reshape(-1, side * side, channels))
        joined = read.reshape(batch, rows, columns, side, side, channels).transpose(2, 3)
        return joined.reshape(padded.shape)[:, :height, :width]

    def folded(self) -> nn.Module:
        return _ProjectedBeforeWindows(self)


class _ProjectedBeforeWindows(WindowAttentionBlock):
    """The same with the projections outside of the windows, so that no padding is projected.

    They see a cell of the padding, 0, as the layer norm's bias, so that its query, key and value
    are those of a bias alone. The bias of the keys adds the same to all scores of a query, and
    that of the values, whose weights sum to 1, the same to every cell: both can be left out of the
    windows, and then the key and the value of a cell of the padding are 0. Its query is not read.
    """

    def __init__(self, block: WindowAttentionBlock) -> None:
        nn.Module.__init__(self)
        self._heads, self._window = block._heads, block._window
        self.attn = _without_bias_of_padding(block.attn, block._heads)
        self.local_conv = with_folded_parts(block.local_conv)
        self.mlp = block.mlp

    def _attended(self, cells: Tensor) -> Tensor:
        batch, height, width, channels = cells.shape
        side, heads = self._window, self._heads
        below, right = -height % side, -width % side
        rows, columns = (height + below) // side, (width + right) // side
        projected = F.pad(self.attn.qkv(self.attn.norm(cells)), (0, 0, 0, right, 0, below))
        cut = projected.reshape(batch, rows, side, columns, side, heads, -1)
        by_head = cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, heads, side * side, cut.shape[-1])
        q, k, v = by_head.chunk(3, dim=-1)
        read = attend(q, k, v, self.attn.bias())
        split = read.reshape(batch, rows, columns, heads, side, side, -1)
        joined = split.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, rows * side, -1, channels)
        return self.attn.proj(joined[:, :height, :width])


def _without_bias_of_padding(attention: WindowAttention, heads: int) -> WindowAttention:
    """Return the attention with biases for the queries and the result only, from float64."""
    norm, qkv, proj = (copy.deepcopy(m) for m in (attention.norm, attention.qkv, attention.proj))
    with torch.no_grad():
        bias = qkv.weight.double() @ norm.bias.double() + qkv.bias.double()
        of_query, of_key, of_value = bias.unflatten(0, (heads, -1)).chunk(3, dim=1)
        of_result = proj.weight.double() @ of_value.flatten() + proj.bias.double()
        zeros = torch.zeros_like(of_key)
        qkv.bias.copy_(torch.cat([of_query, zeros, zeros], dim=1).flatten())
        proj.bias.copy_(of_result)
        norm.bias.zero_()
    folded = copy.copy(attention)
    folded.__dict__["_modules"] = {"norm": norm, "qkv": qkv, "proj": proj}
    return folded


class Layer(nn.Module):
    """The blocks of a resolution, then the step to the next."""

    def __init__(self, blocks: list[nn.Module], downsample: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.blocks(x))


class Stem(nn.Module):
    """The first layers: [B, 3, h, w] -> [B, width, ceil(h / 4), ceil(w / 4)]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.seq = stride_four_stem(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.seq(x)


class TinyVit(nn.Module):
    """The network: [B, 3, h, w] -> [B, channels, ceil(h / 32), ceil(w / 32)], four resolutions."""

    def __init__(self, sizes: TinyVitSizes) -> None:
        super().__init__()
        self.patch_embed = Stem(sizes.widths[0])
        last = len(sizes.widths) - 1
        layers = []
        for index, (width, depth) in enumerate(zip(sizes.widths, sizes.depths, strict=True)):
            stride = sizes.last_stride if index == last - 1 else 2
            onward: nn.Module = nn.Identity()
            if index < last:
                onward = Downsampling(width, sizes.widths[index + 1], stride)
            layers.append(Layer([_block(sizes, index) for _ in range(depth)], onward))
        self.layers = nn.Sequential(*layers)

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.layers(self.patch_embed(pixel_values))


def _block(sizes: TinyVitSizes, layer: int) -> nn.Module:
    if layer == 0:
        return ConvolutionBlock(sizes.widths[0])
    return WindowAttentionBlock(
        sizes.widths[layer], sizes.heads[layer - 1], sizes.windows[layer - 1]
    )
