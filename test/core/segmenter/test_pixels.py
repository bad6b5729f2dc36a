from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.pixels import (
    Band,
    Interpolation,
    antialiased_band,
    area_band,
    bands_of,
    in_bands,
    require_rgb,
    resized,
    write_normalised,
    write_resized,
)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 5), np.uint8), r"got shape \[4, 5\]"),
        (np.zeros((4, 5, 4), np.uint8), r"got shape \[4, 5, 4\]"),
        (np.zeros((4, 5, 3), np.float32), "got dtype float32"),
        (np.zeros((4, 5, 3), np.uint16), "got dtype uint16"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        ([[1, 2, 3]], "got a list"),
        (None, "got a NoneType"),
    ],
)
def test_what_is_no_rgb_image_is_refused(image: object, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        require_rgb(image)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "view",
    [
        np.s_[..., ::-1],
        np.s_[2:8, ::2, ::-1],
        np.s_[2:8, 3:7, ::-1],
        np.s_[:, 3:4, ::-1],
        np.s_[:1, :1, ::-1],
        np.s_[::-1, :, ::-1],
        np.s_[:, ::-1, ::-1],
        np.s_[::-1, ::-1],
    ],
    ids=str,
)
def test_reversed_channels_and_cut_rows_are_made_contiguous(view: tuple) -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (10, 12, 3), np.uint8)
    before = bgr.copy()
    rgb = require_rgb(bgr[view])
    assert rgb.flags.c_contiguous
    np.testing.assert_array_equal(rgb, before[view])
    np.testing.assert_array_equal(bgr, before)


def test_normalising_is_bit_for_bit_what_float32_arithmetic_gives() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    planes = np.empty((3, 16, 16), np.float32)
    write_normalised(levels, mean, std, planes)
    scaled = levels.astype(np.float32) / np.float32(255)
    expected = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    np.testing.assert_array_equal(planes, expected.transpose(2, 0, 1))


THIRDS = (0.299, 0.587, 0.114)
FULL_HD = ImageSize(1080, 1920)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), np.uint8)


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def by_pillow(image: np.ndarray, size: ImageSize) -> np.ndarray:
    target = (size.width, size.height)
    return np.asarray(Image.fromarray(image).resize(target, Image.BILINEAR))


@pytest.mark.parametrize("most", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((1080, 1920), (1008, 1008)),
        ((480, 640), (1008, 1008)),
        ((720, 1280), (512, 512)),
        ((376, 672), (1024, 1024)),
        ((1023, 700), (341, 90)),
        ((64, 64), (64, 9)),
        ((97, 31), (89, 50)),
        ((1, 1), (16, 16)),
    ],
)
def test_bands_are_byte_for_byte_what_pillow_makes_of_the_whole(
    source: tuple[int, int], size: tuple[int, int], most: int
) -> None:
    image, target = noise(*source), ImageSize(*size)
    made = [antialiased_band(image, target, band) for band in bands_of(source[0], size[0], most)]
    np.testing.assert_array_equal(np.concatenate(made), by_pillow(image, target))


@pytest.mark.parametrize("most", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((1080, 1920), (240, 320)),
        ((480, 640), (240, 320)),
        ((720, 1280), (240, 320)),
        ((1200, 1600), (1008, 1008)),
        ((1023, 700), (341, 90)),
        ((97, 31), (89, 30)),
    ],
)
def test_bands_are_byte_for_byte_what_area_makes_of_the_whole(
    source: tuple[int, int], size: tuple[int, int], most: int
) -> None:
    image, target = noise(*source), ImageSize(*size)
    made = [area_band(image, target, band) for band in bands_of(source[0], size[0], most)]
    whole = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(np.concatenate(made), whole)


def test_bands_follow_each_other_and_are_alike() -> None:
    assert bands_of(1080, 1008, 2) == [Band(0, 504, 0, 540), Band(504, 1008, 540, 1080)]


def test_heights_without_a_common_divisor_give_one_band() -> None:
    assert bands_of(1079, 1008, 8) == [Band(0, 1008, 0, 1079)]


def _values(image: np.ndarray, size: ImageSize, interpolation: Interpolation) -> np.ndarray:
    planes = np.zeros((3, size.height + 3, size.width + 5), np.float32)
    write_resized(image, size, interpolation, THIRDS, THIRDS, planes)
    return planes


@pytest.mark.parametrize("interpolation", ["bilinear", "area", "bilinear_antialias"])
@pytest.mark.parametrize("source", [(720, 960), (600, 1200), (1008, 896), (672, 896), (80, 60)])
def test_the_network_is_fed_the_same_bits_by_any_number_of_threads(
    source: tuple[int, int], interpolation: Interpolation
) -> None:
    image, size = noise(*source), ImageSize(672, 896)
    small = resized(image, size, interpolation)
    scaled = small.astype(np.float32) / np.float32(255)
    mean = np.array(THIRDS, np.float32)
    expected = np.zeros((3, 675, 901), np.float32)
    expected[:, :672, :896] = ((scaled - mean) / mean).transpose(2, 0, 1)
    for threads in (1, 2, 5):
        with opencv_threads(threads):
            np.testing.assert_array_equal(_values(image, size, interpolation), expected)


def test_an_error_in_a_band_comes_out_of_the_call() -> None:
    def fail(band: Band) -> None:
        if band.first > 0:
            raise RuntimeError(f"row {band.first}")

    with opencv_threads(2), pytest.raises(RuntimeError, match="row 504"):
        in_bands(FULL_HD, ImageSize(1008, 1008), fail)


def _answer_in_a_child(answers: multiprocessing.SimpleQueue[int]) -> None:
    answers.put(len(_rows_done()))


def _rows_done() -> list[int]:
    done: list[int] = []
    in_bands(FULL_HD, ImageSize(1008, 1008), lambda band: done.append(band.end))
    return done


def test_a_forked_child_has_threads_of_its_own() -> None:
    fork = multiprocessing.get_context("fork")
    answers: multiprocessing.SimpleQueue[int] = fork.SimpleQueue()
    with opencv_threads(2):
        assert len(_rows_done()) == 2
        child = fork.Process(target=_answer_in_a_child, args=(answers,), daemon=True)
        child.start()
        child.join(60)
    assert child.exitcode == 0
    assert answers.get() == 2
