"""Pictures that look like photographs to a batch norm: smooth, with edges and related colours."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

SHAPES_PER_IMAGE = 12


def natural_images(count: int, height: int, width: int, generator: Generator) -> Tensor:
    """float32 [count, 3, height, width], mean 0 and standard deviation 1 in each image.

    Amplitudes fall with 1 / frequency, as in photographs (Field 1987, J. Opt. Soc. Am. A 4:2379);
    rectangles in front bring edges.
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
