"""Plausible example tensors for the inputs of stages, one function for each kind (stage.Fill)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sam3_ros.export.stage import Fill

#: Rectangles in each natural image.
SHAPES_PER_IMAGE = 12


def unit_features(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32, normal with standard deviation 1: features, tokens."""
    return torch.randn(shape, generator=generator)


def pictures(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32 [B, 3, h, w] within [-1, 1], similar to photographs.

    White noise is not what an image encoder meets, and drives untrained ones to values of
    thousands.
    """
    count, _, height, width = shape
    return (0.5 * natural_images(count, height, width, generator)).clamp(-1, 1)


def levels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return uint8: an image as a camera gives it."""
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def thirds(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32 [n, m]: rows that average two places, 1 to 2, and rows of zeros after them.

    Averages of whole numbers by them are far from a half, where rounding would depend on the last
    bit of a sum.
    """
    count, places = shape
    weights = torch.zeros(shape)
    for share in (1 / 3, 2 / 3):
        chosen = torch.randint(0, places, (count, 1), generator=generator)
        weights.scatter_add_(1, chosen, torch.full((count, 1), share))
    weights[count - count // 4 :] = 0
    return weights


def unit_boxes(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32 [..., 4] cxcywh inside [0, 1]."""
    size = 0.05 + 0.4 * torch.rand(*shape[:-1], 2, generator=generator)
    centre = size / 2 + (1 - size) * torch.rand(*shape[:-1], 2, generator=generator)
    return torch.cat([centre, size], dim=-1)


def binary_labels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return int64, 0 or 1."""
    return torch.randint(0, 2, shape, generator=generator)


def leading_mask(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return bool [B, T], True = valid: a run of ones from the start, at least one where T > 0."""
    batch, length = shape
    valid = torch.randint(1, max(length, 1) + 1, (batch, 1), generator=generator)
    return torch.arange(length)[None] < valid


def mask_logits(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32 mask logits, smooth over a tenth of the picture, within about +-10."""
    coarse = torch.randn(*shape[:-2], 10, 10, generator=generator) * 5
    flat = coarse.reshape(-1, 1, 10, 10)
    smooth = torch.nn.functional.interpolate(flat, shape[-2:], mode="bilinear")
    return smooth.reshape(shape)


def mask_probabilities(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32 in [0, 1], as smooth as mask_logits."""
    return mask_logits(shape, generator).sigmoid()


def click_labels(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return int64 in -1 (padding), 0, 1, 2, 3."""
    return torch.randint(-1, 4, shape, generator=generator)


def points_within(height: float, width: float) -> Fill:
    """Return a fill: float32 [..., 2] as x, y in pixels inside a frame of that size."""

    def fill(shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.rand(shape, generator=generator) * torch.tensor([width, height])

    return fill


def flags(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32, 0 or 1."""
    return torch.randint(0, 2, shape, generator=generator).float()


def phrases(vocabulary: int) -> Fill:
    """Return a fill: int64 [P, L], as CLIP writes phrases: start, words, end, then padding (0)."""
    start, end = vocabulary - 2, vocabulary - 1

    def fill(shape: tuple[int, ...], generator: Generator) -> Tensor:
        count, length = shape
        ids = torch.randint(1, start, shape, generator=generator)
        last = torch.randint(1, length, (count, 1), generator=generator)
        place = torch.arange(length)[None]
        ids = torch.where(place < last, ids, torch.where(place == last, end, 0))
        return torch.where(place == 0, start, ids)

    return fill


def frame_ages(oldest: int) -> Fill:
    """Return a fill: int64, 0 to `oldest` frames."""

    def fill(shape: tuple[int, ...], generator: Generator) -> Tensor:
        return torch.randint(0, oldest + 1, shape, generator=generator)

    return fill


def shares(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Return float32, 0 to 1."""
    return torch.rand(shape, generator=generator)


def natural_images(count: int, height: int, width: int, generator: Generator) -> Tensor:
    """Return float32 [count, 3, height, width], mean 0 and standard deviation 1 in each image.

    To a batch norm they look like photographs: amplitudes fall with 1 / frequency (Field 1987, J.
    Opt. Soc. Am. A 4:2379), colours are related, and rectangles in front bring edges.
    """
    images = _clouds(count, height, width, generator)
    for image in images:
        _lay_rectangles(image, generator)
    images -= images.mean((1, 2, 3), keepdim=True)
    return images / images.std((1, 2, 3), keepdim=True)


def _clouds(count: int, height: int, width: int, generator: Generator) -> Tensor:
    white = torch.randn(count, 3, height, width, generator=generator)
    grey = white.mean(1, keepdim=True) * 3**0.5
    across = torch.fft.rfftfreq(width)[None]
    down = torch.fft.fftfreq(height)[:, None]
    frequency = torch.hypot(across, down).clamp_min(1 / max(height, width))
    spectrum = torch.fft.rfft2(0.8 * grey + 0.6 * white) / frequency
    clouds = torch.fft.irfft2(spectrum, (height, width))
    return clouds / clouds.std((1, 2, 3), keepdim=True)


def _lay_rectangles(image: Tensor, generator: Generator) -> None:
    height, width = image.shape[-2:]
    for _ in range(SHAPES_PER_IMAGE):
        top, left, tall, wide = torch.rand(4, generator=generator).tolist()
        rows = slice(int(top * height), int((top + 0.4 * tall) * height) + 1)
        columns = slice(int(left * width), int((left + 0.4 * wide) * width) + 1)
        colour = torch.randn(3, 1, 1, generator=generator) * 1.2
        image[:, rows, columns] = colour + 0.2 * image[:, rows, columns]
