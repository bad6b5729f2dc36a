from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.images.levels import finding_on, levels_of, to_eight_bits, white_of


def remedy(bits: int) -> str:
    return f"set {bits}"


def finding(pixels: np.ndarray, bit_depth: int = 0) -> str:
    return finding_on(levels_of(pixels, white_of(pixels, bit_depth)), remedy)


def up_to(highest: int, dtype: type = np.uint16, shape: tuple[int, ...] = (300, 400)) -> np.ndarray:
    pixels = np.random.default_rng(6).integers(0, highest + 1, shape).astype(dtype)
    pixels.flat[pixels.size // 3] = highest
    return pixels


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_fewer_bits_than_the_encoding_holds_are_named(bits: int) -> None:
    highest = 2**bits - 1
    words = f"values up to {highest} of 65535: the camera sends {bits} bits in 16; set {bits}"
    assert words in finding(up_to(highest))
    assert f"up to {highest - 1} of 65535; if the camera sends {bits} bits in 16" in finding(
        up_to(highest - 1)
    )
    assert finding(up_to(highest), bit_depth=bits) == ""


def test_a_single_bright_pixel_is_not_overlooked() -> None:
    pixels = up_to(1000)
    pixels[7, 11] = 60000
    assert finding(pixels) == ""


def test_more_bits_than_are_set_are_told() -> None:
    assert "up to 4095, above the 1023" in finding(up_to(4095), bit_depth=10)
    assert "set 12" in finding(up_to(4095), bit_depth=10)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_black_is_told(dtype: type) -> None:
    assert "nearly black: no value is above 0 of" in finding(np.zeros((30, 40), dtype))


def test_a_dark_night_is_told_as_dark_and_one_with_a_lamp_is_not() -> None:
    night = up_to(12, np.uint8, (480, 640, 3))
    assert "no value is above 12 of 255; the scene is dark" in finding(night)
    night[100, 200] = 250
    assert finding(night) == ""


def test_an_image_without_anything_in_it_is_told() -> None:
    grey = np.full((48, 64, 3), (90, 120, 200), np.uint8)
    assert "nearly constant: no channel varies by more than 0 of 255" in finding(grey)
    grey[5, 5] += 2
    assert "by more than 2 of 255" in finding(grey)
    grey[30:, :] += 20
    assert finding(grey) == ""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_ordinary_image_has_none(dtype: type) -> None:
    assert finding(up_to(np.iinfo(dtype).max, dtype)) == ""
    assert finding(up_to(np.iinfo(dtype).max // 3, dtype, (30, 40, 3))) == ""


def test_brighter_images_before_say_how_many_bits_there_are() -> None:
    levels = levels_of(up_to(300), 65535)
    assert "10 bits" in finding_on(levels, remedy, highest_before=1023)
    assert "nearly black" in finding_on(levels, remedy, highest_before=50000)
    assert "bits" not in finding_on(levels, remedy, highest_before=50000)


@pytest.mark.parametrize("bits", range(8, 17))
def test_values_are_scaled_and_cut_off(bits: int) -> None:
    white = 2**bits - 1
    pixels = np.array([[0, white // 2, white], [65535, 1, 7]], np.uint16)
    expected = np.minimum(np.rint(pixels * (255 / white)), 255)
    assert np.abs(to_eight_bits(pixels, white).astype(int) - expected).max() <= 1
    assert to_eight_bits(pixels, white)[0, 2] == 255
