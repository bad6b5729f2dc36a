"""Masks on their way into a memory, held against plain numpy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from bilinear import bilinear
from PIL import Image
from video_model import CUT_AT, INPUT, MASK, MEMORY_MASK, OBJECT_MASK

from sam3_ros.core.bundle.manifest import Preprocessing, VideoSettings
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.tracking.memory.memory_masks import given_mask, memory_mask, memory_masks

SETTINGS = VideoSettings(MEMORY_MASK, OBJECT_MASK, CUT_AT)
HALF = (0.5, 0.5, 0.5)


def logits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, tuple(MASK)).astype(np.float32)


@pytest.mark.parametrize("prompted", [True, False])
def test_a_mask_is_cut_where_the_model_cuts_it(prompted: bool) -> None:
    found = memory_mask(logits(0), SETTINGS, prompted=prompted)
    large = bilinear(logits(0), *CUT_AT)
    values = (large > 0).astype(float) if prompted else 1 / (1 + np.exp(-large))
    assert found.shape == (1, 1, *MEMORY_MASK)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], bilinear(values, *MEMORY_MASK), atol=1e-6)


def test_without_another_size_nothing_is_resized() -> None:
    settings = VideoSettings(MASK, OBJECT_MASK, MASK)
    found = memory_mask(logits(0), settings, prompted=True)
    np.testing.assert_array_equal(found[0, 0], logits(0) > 0)


def test_a_pixel_of_a_prompted_frame_belongs_to_one_object() -> None:
    several = np.stack([logits(0), logits(1), logits(2)])
    several[2] = several[0]  # equal: it belongs to the first
    found = memory_masks(several, SETTINGS, prompted=True)
    large = np.stack([bilinear(each, *CUT_AT) for each in several])
    first = np.argmax(large, axis=0)
    for number in range(3):
        own = (large[number] > 0) & (first == number)
        np.testing.assert_allclose(
            found[number, 0], bilinear(own.astype(float), *MEMORY_MASK), atol=1e-6
        )
    assert found[2].max() == 0


@pytest.mark.parametrize("prompted", [True, False])
def test_alone_or_tracked_an_object_keeps_all_of_its_pixels(prompted: bool) -> None:
    several = np.stack([logits(0), logits(1)])
    together = memory_masks(several[: 1 if prompted else 2], SETTINGS, prompted=prompted)
    alone = memory_mask(several[0], SETTINGS, prompted=prompted)
    np.testing.assert_array_equal(together[:1], alone)


@pytest.mark.parametrize(("logit", "value"), [(1e30, 1), (1024, 1), (-1024, 0), (-1e30, 0)])
def test_no_logit_is_too_large(logit: float, value: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        found = memory_mask(np.full(MASK, logit, np.float32), SETTINGS, prompted=False)
    np.testing.assert_allclose(found, value, atol=1e-6)


def by_pillow(values: np.ndarray, size: ImageSize) -> np.ndarray:
    image = Image.fromarray(values.astype(np.float32), mode="F")
    return np.asarray(image.resize((size.width, size.height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("source", [(60, 90), (30, 40), (200, 300), (48, 64), (30, 400)])
def test_a_given_mask_is_resized_with_antialiasing(source: tuple[int, int]) -> None:
    mask = np.random.default_rng(3).random(source) > 0.6
    transform = ImageTransform(
        ImageSize(*source), Preprocessing(INPUT.height, INPUT.width, HALF, HALF)
    )
    found = given_mask(mask, transform, SETTINGS, MASK)
    np.testing.assert_allclose(found.object_mask[0, 0], by_pillow(mask, OBJECT_MASK), atol=1e-5)
    small = by_pillow(mask, MASK)
    np.testing.assert_allclose(found.logits, (small * 2 - 1) * 1024, atol=1e-2)


@pytest.mark.parametrize("source", [(60, 90), (300, 90)])
def test_a_given_mask_lies_where_the_padded_picture_lies(source: tuple[int, int]) -> None:
    how = Preprocessing(INPUT.height, INPUT.width, HALF, HALF, fit="longest_side")
    transform = ImageTransform(ImageSize(*source), how)
    found = given_mask(np.ones(source, np.bool_), transform, SETTINGS, MASK)
    scale = min(48 / source[0], 64 / source[1])
    rows, columns = round(source[0] * scale), round(source[1] * scale)
    expected = np.zeros((48, 64), np.float32)
    expected[:rows, :columns] = 1
    np.testing.assert_allclose(found.object_mask[0, 0], expected, atol=1e-6)
    assert found.logits[-1, -1] == (1024 if (rows, columns) == (48, 64) else -1024)
