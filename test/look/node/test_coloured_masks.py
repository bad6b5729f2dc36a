"""A label image's PNG gets colours: the same pixels, with a palette."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.palette import prompt_colour
from sam3_ros.look.node.coloured_masks import coloured_masks, png_size


def png_of(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def read(png: bytes) -> np.ndarray:
    """Return uint8 [H, W, 4], RGB and opacity, after the checks of a strict reader."""
    with Image.open(BytesIO(png)) as picture:
        picture.verify()
    with Image.open(BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGBA"))


def test_each_label_value_has_its_prompts_colour_and_nothing_is_transparent() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    coloured = coloured_masks(png_of(values), {}, {7: (1, 2, 3)})
    assert png_size(coloured) == ImageSize(16, 16)
    shown = read(coloured).reshape(256, 4)
    assert shown[0, 3] == 0 and (shown[1:, 3] == 255).all()
    assert tuple(shown[7, :3]) == (1, 2, 3)
    for value in (1, 2, 8, 254):
        assert tuple(shown[value, :3]) == prompt_colour(value)


def test_numbers_of_objects_become_the_colours_of_their_prompts() -> None:
    numbers = np.zeros((8, 12), np.uint16)
    numbers[1:3, 1:4], numbers[5:7, 6:9], numbers[0, 11] = 65535, 300, 9
    shown = read(coloured_masks(png_of(numbers), {65535: 2, 300: 5}))
    assert tuple(shown[2, 2]) == (*prompt_colour(2), 255)
    assert tuple(shown[6, 7]) == (*prompt_colour(5), 255)
    assert shown[0, 11, 3] == 255, "an object of an unknown prompt is shown too"
    assert shown[4, 4, 3] == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8\xff" * 30, png_of(np.zeros((4, 4, 3), np.uint8))],
    ids=["nothing", "no PNG", "a colour picture"],
)
def test_what_is_no_label_image_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="expected a"):
        coloured_masks(data, {})
