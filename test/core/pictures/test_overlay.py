from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.overlay import draw_overlay, draw_overlay_bgr, label_colour
from sam3_ros.core.segmenter.segments import Segment

GREY = np.full((120, 160, 3), 100, np.uint8)


def square(label: str = "red cube", box: Box | None = None) -> Segment:
    mask = np.zeros((120, 160), np.bool_)
    mask[40:80, 60:100] = True
    return Segment(label, label, 0.87, box or Box(60, 40, 100, 80), mask)


def test_the_image_is_not_changed() -> None:
    image = GREY.copy()
    drawn = draw_overlay(image, [square()])
    np.testing.assert_array_equal(image, GREY)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert not np.shares_memory(drawn, image)


def test_nothing_found_is_a_copy() -> None:
    np.testing.assert_array_equal(draw_overlay(GREY, []), GREY)


def test_in_bgr_order_it_is_the_same_picture() -> None:
    image = np.random.default_rng(5).integers(0, 256, GREY.shape, np.uint8)
    segments = [square(), square("blue ball", Box(2, 3, 70, 50))]
    bgr = draw_overlay_bgr(image, segments)[:, :, ::-1]
    np.testing.assert_array_equal(bgr, draw_overlay(image, segments))


def test_a_mask_is_tinted_and_the_rest_is_left() -> None:
    drawn = draw_overlay(GREY, [square()], opacity=0.5)
    expected = (np.array(label_colour("red cube")) + 100) / 2
    np.testing.assert_allclose(drawn[60, 80], expected, atol=1)
    np.testing.assert_array_equal(drawn[100:], GREY[100:])
    np.testing.assert_array_equal(drawn[:, :50], GREY[:, :50])


def test_outline_and_caption_are_drawn() -> None:
    drawn = draw_overlay(GREY, [square()])
    np.testing.assert_allclose(drawn[60, 60], label_colour("red cube"), atol=2)
    assert (drawn[26:40, 60:] != GREY[26:40, 60:]).any()


def test_a_colour_belongs_to_its_label() -> None:
    colours = {label: label_colour(label) for label in ("red cube", "ball", "point", "box", "mug")}
    assert len(set(colours.values())) == len(colours)
    assert label_colour("ball") == colours["ball"]


@pytest.mark.parametrize(
    "box", [Box(-1e9, -1e9, 1e9, 1e9), Box(150, 110, 400, 400), Box(-50, -50, 0.5, 0.5)]
)
def test_boxes_past_the_edges_can_be_drawn(box: Box) -> None:
    assert draw_overlay(GREY, [square(box=box)]).shape == GREY.shape


@pytest.mark.parametrize("label", ["x" * 1000, "würfel 立方体", "a\nb"])
def test_any_label_can_be_written(label: str) -> None:
    assert (draw_overlay(GREY, [square(label)]) != GREY).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_small_images_can_be_drawn_on(size: tuple[int, int]) -> None:
    segment = Segment("a", "a", 0.5, Box(0, 0, 1, 1), np.ones(size, np.bool_))
    image = np.zeros((*size, 3), np.uint8)
    assert draw_overlay(image, [segment]).shape == image.shape


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ImageError, match="uint8"):
        draw_overlay(GREY.astype(np.float32), [])
    with pytest.raises(ValueError, match="opacity"):
        draw_overlay(GREY, [], opacity=1.5)
