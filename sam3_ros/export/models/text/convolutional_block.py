"""The convolutional block that begins and ends MobileCLIP-S0's text encoder.

Source: RepMixer in MobileCLIP (arXiv 2311.17049), there applied to a row of tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NormedConvolution(nn.Module):
    """A convolution along the tokens, each channel for itself, and its batch norm."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            width, width, (1, kernel), padding=(0, kernel // 2), groups=width, bias=False
        )
        self.norm = nn.BatchNorm2d(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """f32[P, width, 1, L] to the same."""
        return self.norm(self.convolution(tokens))


class TokenMixer(nn.Module):
    """Each token and its neighbours: what the convolution adds to the plain norm, scaled."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.plain_norm = nn.BatchNorm2d(width)
        self.skip_norm = nn.BatchNorm2d(width)
        self.mixing = NormedConvolution(width, kernel)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """f32[P, width, 1, L] to the same."""
        mixed = self.skip_norm(tokens) + self.mixing(tokens)
        return tokens + self.scale * (mixed - self.plain_norm(tokens))


class ConvolutionalBlock(nn.Module):
    """Token mixer, then a feed-forward network that begins with a convolution."""

    def __init__(self, width: int, feed_forward: int, kernel: int) -> None:
        super().__init__()
        self.mixer = TokenMixer(width, kernel)
        self.convolution = NormedConvolution(width, kernel)
        self.expand = nn.Conv2d(width, feed_forward, 1)
        self.contract = nn.Conv2d(feed_forward, width, 1)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, tokens: Tensor) -> Tensor:
        """f32[P, L, width] to the same."""
        mixed = self.mixer(tokens.transpose(1, 2).unsqueeze(2))
        hidden = nn.functional.gelu(self.expand(self.convolution(mixed)))
        mixed = mixed + self.scale * self.contract(hidden)
        return mixed.squeeze(2).transpose(1, 2)
