from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter import masks
from sam3_ros.core.segmenter.masks import Patch, inmost_point, iou, mask_bounds, patch_of
from sam3_ros.core.segmenter.transform import ImageTransform

HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SOURCES = [(1080, 1920), (480, 640), (37, 53), (1, 1), (1200, 30), (20, 900), (144, 144)]


def whole(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    if logits.shape == (height, width):
        return logits
    return np.asarray(cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR))


def blobs(side: int, seed: int) -> np.ndarray:
    """Return logits f32[side,side] of up to three ellipses, which the edges may cut.

    Some seeds add a single pixel, integer steps, or noise.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    logits = np.full((side, side), -8.0)
    for _ in range(seed % 4):
        centre_y, centre_x = random.uniform(-0.1, 1.1, 2) * side
        far = np.hypot(y - centre_y, (x - centre_x) * random.uniform(0.5, 2))
        logits = np.maximum(logits, 8 * (1 - far / random.uniform(0.5, 0.2 * side)))
    if seed % 5 == 0:
        logits[random.integers(side), random.integers(side)] = random.uniform(0.01, 30)
    if seed % 5 == 1:
        logits = np.round(logits)
    if seed % 5 == 2:
        logits += random.normal(size=logits.shape)
    return logits.clip(-30, 30).astype(np.float32)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("threshold", [0.0, 0.25, -1.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_mask_is_that_of_logits_resized_whole(
    source: tuple[int, int], threshold: float, seed: int
) -> None:
    logits = blobs(72, seed)
    transform = ImageTransform(ImageSize(*source), Preprocessing(1008, 1008, *HALVES))
    found = transform.found_in_source(logits, threshold)
    expected = whole(logits, *source) > np.float32(threshold)
    np.testing.assert_array_equal(found.mask, expected)
    assert found.bounds == mask_bounds(expected)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("fit", ["stretch", "longest_side"])
@pytest.mark.parametrize("seed", range(8))
def test_a_mask_through_the_padded_input_is_that_of_logits_resized_whole(
    source: tuple[int, int], fit: Literal["stretch", "longest_side"], seed: int
) -> None:
    logits, frame = blobs(64, seed), ImageSize(256, 256)
    how = Preprocessing(512, 512, *HALVES, fit)
    transform = ImageTransform(ImageSize(*source), how, frame)
    scale = 256 / max(source)
    content = [max(1, int(side * scale + 0.5)) for side in source]
    height, width = content if fit == "longest_side" else (256, 256)
    padded = np.ascontiguousarray(whole(logits, 256, 256)[:height, :width])
    expected = whole(padded, *source)
    found = transform.found_in_source(logits, 0.0, "through_padded_input")
    # OpenCV 4.8 rounds a zero otherwise where it begins at another column.
    differs = found.mask != (expected > 0)
    np.testing.assert_allclose(expected[differs], 0.0, atol=1e-8)
    assert found.bounds == mask_bounds(found.mask)


def test_only_the_surroundings_of_a_small_object_are_resized() -> None:
    logits = np.full((288, 288), -5, np.float32)
    logits[100:110, 40:60] = 5
    patch = patch_of(logits, 0.0)
    assert patch is not None
    assert patch.values.shape == (16, 26)
    resized = patch.resized(ImageSize(1080, 1920))
    assert resized.values.size < 1080 * 1920 / 50
    assert resized.found(0.0).bounds == Box(267, 375, 400, 412)


def test_nothing_above_the_threshold_is_no_patch() -> None:
    assert patch_of(np.full((8, 8), -1, np.float32), 0.0) is None


def test_a_mask_in_the_padding_alone_is_empty() -> None:
    logits = np.full((64, 64), -5, np.float32)
    logits[60:, 60:] = 5
    how = Preprocessing(64, 64, *HALVES, "longest_side")
    found = ImageTransform(ImageSize(20, 600), how).found_in_source(
        logits, 0.0, "through_padded_input"
    )
    assert found.bounds is None
    assert not found.mask.any()


@pytest.mark.parametrize(("top", "left"), [(-1, 0), (0, -1), (7, 0), (0, 7)])
def test_a_patch_lies_in_its_grid(top: int, left: int) -> None:
    with pytest.raises(ValueError, match="inside its grid"):
        Patch(np.zeros((2, 2), np.float32), top, left, ImageSize(8, 8), -1.0)


def test_the_bounds_of_a_mask_are_its_pixels_outer_edges() -> None:
    mask = np.zeros((48, 64), np.bool_)
    assert mask_bounds(mask) is None
    mask[10, 20] = True
    assert mask_bounds(mask) == Box(20, 10, 21, 11)
    mask[30, 5:8] = True
    assert mask_bounds(mask) == Box(5, 10, 21, 31)


def test_the_bounds_of_a_mask_that_is_a_part_of_another_array() -> None:
    canvas = np.zeros((60, 80), np.bool_)
    canvas[12, 14] = True
    assert mask_bounds(canvas[10:40, 10:50]) == Box(4, 2, 5, 3)


def test_the_inmost_point_is_inside_and_away_from_the_edge_of_the_image() -> None:
    ring = np.zeros((40, 40), bool)
    ring[5:35, 5:35] = True
    ring[12:28, 12:28] = False
    point = inmost_point(ring)
    assert ring[int(point.y), int(point.x)]
    assert inmost_point(np.ones((11, 21), bool)).y == 5.5


def test_the_overlap_of_masks_is_their_iou() -> None:
    one, other = np.zeros((4, 6), np.bool_), np.zeros((4, 6), np.bool_)
    assert iou(one, other) == 0
    one[:, :4], other[:, 2:] = True, True
    assert iou(one, other) == pytest.approx(2 / 6)


@pytest.mark.parametrize("size", [(40, 300), (300, 7), (1, 90)])
def test_a_corner_is_that_of_logits_resized_whole(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = patch_of(blobs(32, seed=3), 0.0)
    assert patch is not None
    frame, corner = ImageSize(max(size), max(size)), ImageSize(*size)
    expected = patch.resized(frame).cropped(corner).found(0.0).mask
    monkeypatch.setattr(masks, "_LARGE", 0)
    monkeypatch.setattr(masks, "_MOST_UNWANTED", 0)
    found = patch.resized_corner(frame, corner).found(0.0)
    assert found.mask.shape == size
    assert np.count_nonzero(found.mask != expected) <= 1  # one may lie on the threshold


@pytest.mark.parametrize("size", [(1, 1_000_000), (500_000, 2)])
def test_the_frame_around_a_line_takes_no_memory(size: tuple[int, int]) -> None:
    frame = Preprocessing(64, 64, (0.5,) * 3, (0.5,) * 3, fit="longest_side")
    logits = np.ones((16, 16), np.float32)
    assert ImageTransform(ImageSize(*size), frame).found_in_source(logits, 0.0).mask.all()
