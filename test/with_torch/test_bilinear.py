"""Masks are resized for a memory with PyTorch's own weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.tracking.memory.bilinear import resized_bilinearly


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((288, 288), (1008, 1008)),
        ((1008, 1008), (1152, 1152)),
        ((120, 160), (240, 320)),
        ((72, 100), (72, 33)),
        ((5, 7), (1, 1)),
        ((1, 1), (4, 9)),
    ],
)
def test_a_mask_is_resized_as_pytorch_does_it(old: tuple[int, int], new: tuple[int, int]) -> None:
    values = np.random.default_rng(1).standard_normal(old).astype(np.float32)
    given = torch.from_numpy(values)[None, None]
    expected = F.interpolate(given, size=new, mode="bilinear", align_corners=False)[0, 0].numpy()
    # OpenCV's differ by up to 1.4e-4 here.
    np.testing.assert_allclose(resized_bilinearly(values, ImageSize(*new)), expected, atol=1e-6)
