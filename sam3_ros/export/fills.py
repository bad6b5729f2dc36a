"""Plausible example tensors for the inputs of stages, one function a kind (stage.Fill)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def unit_features(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """float32, normal with standard deviation 1: features, tokens, pixel values."""
    return torch.randn(shape, generator=generator)


def unit_boxes(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """float32 [..., 4] cxcywh inside [0, 1]."""
    size = 0.05 + 0.4 * torch.rand(*shape[:-1], 2, generator=generator)
    centre = size / 2 + (1 - size) * torch.rand(*shape[:-1], 2, generator=generator)
    return torch.cat([centre, size], dim=-1)


def binary_labels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """int64, 0 or 1."""
    return torch.randint(0, 2, shape, generator=generator)


def leading_mask(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """bool [B, T], True = valid: a run of ones from the start, at least one where T > 0."""
    batch, length = shape
    valid = torch.randint(1, max(length, 1) + 1, (batch, 1), generator=generator)
    return torch.arange(length)[None] < valid


def mask_logits(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """float32 mask logits, smooth on the scale of a tenth of the picture, within about +-10."""
    coarse = torch.randn(*shape[:-2], 10, 10, generator=generator) * 5
    flat = coarse.reshape(-1, 1, 10, 10)
    smooth = torch.nn.functional.interpolate(flat, shape[-2:], mode="bilinear")
    return smooth.reshape(shape)


def click_labels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """int64 in -1 (padding), 0, 1, 2, 3."""
    return torch.randint(-1, 4, shape, generator=generator)


def points_within(height: float, width: float):  # type: ignore[no-untyped-def]
    """A fill: float32 [..., 2] as x, y in pixels inside a frame of that size."""

    def fill(shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.rand(shape, generator=generator) * torch.tensor([width, height])

    return fill


def flags(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """float32, 0 or 1."""
    return torch.randint(0, 2, shape, generator=generator).float()
