"""Building blocks of the tabletop network."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 4
MASK_CHANNELS = 16
HIDDEN_CHANNELS = 8


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Chain convolution, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Chain two linear layers with a ReLU between them."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs)
    )


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


class Attention(nn.Module):
    """Multi-head attention; mask bool [B,K], True where a key may be seen."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer, x in ((self.query, query), (self.key, key), (self.value, value))
        )
        allowed = None if mask is None else mask[:, None, None, :]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.out(mixed.transpose(1, 2).flatten(2))


class _OneSided(Attention):
    """Attention between few and many, with the weights and numbers of Attention.

    What is projected is the few alone: their products with the matrices of both sides are compared
    with the many as they are. A head is the whole width with zeros beside its own channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        heads = torch.eye(HEADS).repeat_interleave(width // HEADS, dim=1)[:, None]
        self.register_buffer("heads", heads, persistent=False)
        self.scale = (width // HEADS) ** -0.5

    def _by_head(self, x: Tensor) -> Tensor:
        """[B,T,C] -> [B,HEADS*T,C]"""
        return (x[:, None] * self.heads).flatten(1, 2)


class FewQueries(_OneSided):
    """Few queries look at many keys. The bias of the keys, one for all, drops out."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        assert mask is None
        sought = self._by_head(self.query(query) * self.scale) @ self.key.weight
        weights = (sought @ key.transpose(1, 2)).softmax(-1)
        found = self.value(weights @ value).unflatten(1, (HEADS, -1))
        return self.out((found * self.heads).sum(1))


class FewKeys(_OneSided):
    """Many queries look at few keys."""

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        assert mask is None
        keys = self._by_head(self.key(key) * self.scale)
        alike = query @ (keys @ self.query.weight).transpose(1, 2)
        alike = alike + (keys @ self.query.bias)[:, None]
        weights = alike.unflatten(-1, (HEADS, -1)).softmax(-1).flatten(2)
        told = self.out.weight @ self._by_head(self.value(value)).transpose(1, 2)
        return weights @ told.transpose(1, 2) + self.out.bias


class Block(nn.Module):
    """Pre-norm attention (to itself or to a context) and a feed-forward layer."""

    def __init__(
        self, width: int, feed_forward: bool = True, attention: type[Attention] = Attention
    ) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), attention(width)
        self.feed = (
            nn.Sequential(nn.LayerNorm(width), mlp(width, 2 * width, width))
            if feed_forward
            else None
        )

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Tensor | None = None,
        position: Tensor | None = None,
        context_position: Tensor | None = None,
    ) -> Tensor:
        y = self.norm(x)
        query = y if position is None else y + position
        value = y if context is None else context
        key = query if context is None else context
        if context_position is not None:
            key = key + context_position
        x = x + self.attention(query, key, value, mask)
        return x if self.feed is None else x + self.feed(x)


class FourierPosition(nn.Module):
    """Points [...,2] in [0,1] -> sines and cosines [...,width] along random directions.

    A third of them are slow waves in any direction, a third fast ones along x, a third along y. By
    slow ones alone a cell looks like its neighbours, and a click just beside an object like one on
    it; by fast ones alone, what is far away would look like what is near.
    """

    def __init__(self, width: int, slow: float = 1.2, fast: tuple[float, float] = (8.0, 6.0)):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        waves = torch.randn(2, width // 2, generator=generator)
        along_x, along_y = waves.shape[1] // 3, 2 * waves.shape[1] // 3
        spread = torch.full_like(waves, slow)
        spread[:, along_x:along_y] = torch.tensor([[fast[0]], [0.0]])
        spread[:, along_y:] = torch.tensor([[0.0], [fast[1]]])
        self.register_buffer("directions", waves * spread)

    def along(self, axis: int, cells: int) -> Tensor:
        """Return [cells,width]: what the fast waves say of columns (axis 0) or rows (1); else 0."""
        points = torch.full((cells, 2), 0.5)
        points[:, axis] = (torch.arange(cells) + 0.5) / cells
        fast = self.directions[1 - axis] == 0
        return self(points) * torch.cat([fast, fast])

    def forward(self, points: Tensor) -> Tensor:
        angles = (points * 2 - 1) @ self.directions * torch.pi
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


def grid_points(height: int, width: int) -> Tensor:
    """Return the centres [height*width,2] (x, y) of a grid's cells, in [0,1]."""
    y = (torch.arange(height, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, dtype=torch.float32) + 0.5) / width
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)


def masked_mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Return the mean [B,D] of the tokens [B,T,D] where mask [B,T] is True."""
    weight = mask.to(tokens.dtype)[..., None]
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


class PixelFeatures(nn.Module):
    """Fine, middle and coarse maps -> [B,MASK_CHANNELS,h,w] at the fine map's size."""

    def __init__(self, fine: int, middle: int, coarse: int) -> None:
        super().__init__()
        self.middle, self.coarse = nn.Conv2d(middle, fine, 1), nn.Conv2d(coarse, fine, 1)
        self.mix = nn.Sequential(conv(fine, fine), nn.Conv2d(fine, MASK_CHANNELS, 1))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        x = self.middle(middle) + _double(self.coarse(coarse))
        return self.mix(fine + _double(x))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class DynamicMasks(nn.Module):
    """A small network for each query, over pixel features and coordinates relative to the
    query's box (conditional convolutions, arXiv 2003.05664)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        c, h = MASK_CHANNELS, HIDDEN_CHANNELS
        self.sizes = [h * (c + 2), h, h * h, h, h, 1]
        self.weights = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, sum(self.sizes))
        )

    def forward(self, pixels: Tensor, queries: Tensor, boxes: Tensor) -> Tensor:
        """Map pixels [B,C,h,w], queries [B,K,D], boxes [B,K,4] cxcywh to logits [B,K,h,w]."""
        height, width = pixels.shape[-2:]
        logits = self._run(_with_places(pixels)[:, None], queries, boxes)
        return logits.unflatten(-1, (height, width))

    def at(self, pixels: Tensor, queries: Tensor, boxes: Tensor, cells: Tensor) -> Tensor:
        """Return the logits [B,K,P] of the cells [B,K,P] alone, which count along the rows.

        Training looks at a twentieth of the cells, and the others cost nothing.
        """
        x = _with_places(pixels)
        index = cells.flatten(1)[:, None].expand(-1, x.shape[1], -1)
        x = x.gather(2, index).unflatten(2, cells.shape[1:]).transpose(1, 2)
        return self._run(x, queries, boxes)

    def _run(self, x: Tensor, queries: Tensor, boxes: Tensor) -> Tensor:
        """Map x [B,1 or K,C+2,P], features and places, to logits [B,K,P]."""
        c, h = MASK_CHANNELS, HIDDEN_CHANNELS
        w1, b1, w2, b2, w3, b3 = self.weights(queries).split(self.sizes, dim=-1)
        w1 = w1.unflatten(-1, (h, c + 2))
        # (x - cx) / w, folded into weights and bias, so that no query needs a map of coordinates
        by_place = w1[..., c:] / boxes[:, :, None, 2:].clamp(min=0.02)
        b1 = b1 - (by_place * boxes[:, :, None, :2]).sum(-1)
        w1 = torch.cat([w1[..., :c], by_place], dim=-1)
        x = F.relu(w1 @ x + b1[..., None])
        x = F.relu(w2.unflatten(-1, (h, h)) @ x + b2[..., None])
        x = w3[:, :, None] @ x + b3[..., None]
        return x[:, :, 0]


def _with_places(pixels: Tensor) -> Tensor:
    """Return pixels [B,C,h,w] and the places of the cells as [B,C+2,h*w]."""
    height, width = pixels.shape[-2:]
    points = grid_points(height, width).T.to(pixels)
    points = points[None].expand(pixels.shape[0], 2, height * width)
    return torch.cat([pixels.flatten(2), points], dim=1)
