from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.overlay import Strokes, draw_overlay, draw_overlay_bgr
from sam3_ros.core.pictures.palette import COLOURS, prompt_colour, shaded, track_colour
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus

GREY = np.full((120, 160, 3), 100, np.uint8)


def square(
    label: str = "red cube", box: Box | None = None, left: int = 60, score: float = 0.87
) -> Segment:
    mask = np.zeros((120, 160), np.bool_)
    mask[40:80, left : left + 40] = True
    return Segment(label, label, score, box or Box(left, 40, left + 40, 80), mask)


def tracked(
    number: int, left: int = 60, state: TrackState = TrackState.CONFIRMED, unseen: int = 0
) -> Segment:
    mask = np.zeros((120, 160), np.bool_)
    mask[40:80, left : left + 40] = not unseen
    track = TrackStatus(number, state, 20, unseen)
    return Segment(
        "cube", "cube", 0.0 if unseen else 0.9, Box(left, 40, left + 40, 80), mask, track=track
    )


def fills(drawn: np.ndarray, *places: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the colours of pixels that were GREY before they were filled by half."""
    return [tuple(2 * drawn[place].astype(int) - 100) for place in places]


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
    expected = (np.array(prompt_colour(1)) + 100) / 2
    np.testing.assert_allclose(drawn[60, 80], expected, atol=1)
    np.testing.assert_array_equal(drawn[100:], GREY[100:])
    np.testing.assert_array_equal(drawn[:, :50], GREY[:, :50])


def test_outline_and_caption_are_drawn() -> None:
    drawn = draw_overlay(GREY, [square()])
    np.testing.assert_allclose(drawn[60, 60], prompt_colour(1), atol=2)
    assert (drawn[26:40, 60:] != GREY[26:40, 60:]).any()


def test_the_outline_shows_on_its_own_colour() -> None:
    image = np.full((480, 640, 3), prompt_colour(1), np.uint8)
    mask = np.zeros((480, 640), np.bool_)
    mask[100:300, 200:400] = True
    drawn = draw_overlay(image, [Segment("a", "a", 0.9, Box(200, 100, 400, 300), mask)])
    assert drawn[200, 196:205].sum(axis=1).min() < 150


def test_a_colour_belongs_to_the_label_value() -> None:
    ball, cube = square("ball", left=10), square("cube", left=100)
    values = {"cube": 2, "ball": 5}
    both = draw_overlay(GREY, [ball, cube], values, opacity=0.5)
    alone = draw_overlay(GREY, [cube], values, opacity=0.5)
    expected = [COLOURS[4], COLOURS[1]]
    np.testing.assert_allclose(fills(both, (60, 30), (60, 120)), expected, atol=2)
    np.testing.assert_allclose(fills(alone, (60, 120)), expected[1:], atol=2)


def test_without_values_prompts_count_as_they_come() -> None:
    segments = [square("ball", left=100, score=0.5), square("cube", left=10)]
    drawn = draw_overlay(GREY, segments, opacity=0.5)
    np.testing.assert_allclose(fills(drawn, (60, 120), (60, 30)), COLOURS[:2], atol=2)


def test_objects_of_a_prompt_share_its_outline_and_have_shades_from_left_to_right() -> None:
    segments = [square(left=110, score=0.9), square(left=5, score=0.8)]
    for order in (segments, segments[::-1]):
        drawn = draw_overlay(GREY, order, opacity=0.5)
        shades = [shaded(COLOURS[0], place) for place in (0, 1)]
        np.testing.assert_allclose(fills(drawn, (60, 25), (60, 130)), shades, atol=2)
        for left in (5, 110):
            np.testing.assert_allclose(drawn[60, left], COLOURS[0], atol=2)


def test_prompts_of_one_colour_differ_in_their_pattern() -> None:
    plain, stripes, chequers, again = (
        draw_overlay(GREY, [square()], {"red cube": value}) for value in (1, 8, 15, 22)
    )
    inside = slice(45, 75), slice(65, 95)
    untouched = [float((p[inside] == 100).all(axis=2).mean()) for p in (plain, stripes, chequers)]
    assert untouched[0] == 0
    assert untouched[1:] == pytest.approx([0.5, 0.5], abs=0.1)
    assert not np.array_equal(stripes[inside], chequers[inside])
    np.testing.assert_array_equal(plain, again)


def test_where_objects_overlap_the_best_shows() -> None:
    best, worse = square("best", left=60, score=0.9), square("worse", left=80, score=0.6)
    for order in ([best, worse], [worse, best]):
        drawn = draw_overlay(GREY, order, {"best": 1, "worse": 2}, opacity=1.0)
        np.testing.assert_array_equal(drawn[55, 90], COLOURS[0])


@pytest.mark.parametrize("size", [(120, 160), (480, 640), (1080, 1920), (2160, 3840)])
def test_lines_and_letters_grow_with_the_image(size: tuple[int, int]) -> None:
    now, of_twice = Strokes.of(size), Strokes.of((2 * size[0], 2 * size[1]))
    assert of_twice.font > 1.4 * now.font or now.font == 9
    assert of_twice.outline >= now.outline
    # Read on a screen that shows the whole image with a thousand rows.
    assert now.font * 1000 / size[0] > 20
    assert now.below > now.outline


def test_lines_are_as_wide_as_they_are_said_to_be() -> None:
    mask = np.zeros((1080, 1920), np.bool_)
    mask[300:700, 600:1200] = True
    image = np.full((1080, 1920, 3), 100, np.uint8)
    drawn = draw_overlay(image, [Segment("a", "a", 0.9, Box(600, 300, 1200, 700), mask)], None, 0)
    across = drawn[500, 560:640]
    changed = int((across != 100).any(axis=1).sum())
    coloured = int((across == COLOURS[0]).all(axis=1).sum())
    # Both have soft edges.
    assert Strokes.of((1080, 1920)).below <= changed <= Strokes.of((1080, 1920)).below + 4
    assert coloured == pytest.approx(Strokes.of((1080, 1920)).outline, abs=2)


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


def test_a_track_keeps_its_colour_wherever_its_object_is_and_whatever_comes_beside_it() -> None:
    alone = draw_overlay(GREY, [tracked(3, left=10)], {"cube": 1}, opacity=0.5)
    beside = [tracked(2, left=5), tracked(3, left=100)]
    for order in (beside, beside[::-1]):
        drawn = draw_overlay(GREY, order, {"cube": 1}, opacity=0.5)
        np.testing.assert_allclose(
            fills(drawn, (60, 25), (60, 120)), [track_colour(2), track_colour(3)], atol=2
        )
    np.testing.assert_allclose(fills(alone, (60, 30)), [track_colour(3)], atol=2)


def test_tracks_of_one_colour_differ_in_their_pattern() -> None:
    plain, stripes = (draw_overlay(GREY, [tracked(number)]) for number in (2, 9))
    inside = slice(45, 75), slice(65, 95)
    assert float((plain[inside] == 100).all(axis=2).mean()) == 0
    assert float((stripes[inside] == 100).all(axis=2).mean()) == pytest.approx(0.5, abs=0.1)


def test_what_is_hidden_has_dashes_where_it_was_and_nothing_inside() -> None:
    drawn = draw_overlay(GREY, [tracked(3, state=TrackState.OCCLUDED, unseen=12)])
    np.testing.assert_array_equal(drawn[46:74, 66:94], GREY[46:74, 66:94])
    edge = (drawn[45:75, 60] != 100).any(axis=1)
    assert 0.3 < edge.mean() < 0.9
    assert 2 <= np.count_nonzero(np.diff(edge.astype(int)) == 1) <= 6
    assert (drawn[20:38] != 100).any()  # its caption


def test_what_is_lost_has_a_caption_alone() -> None:
    drawn = draw_overlay(GREY, [tracked(3, state=TrackState.LOST, unseen=90)])
    np.testing.assert_array_equal(drawn[40:81, 55:105], GREY[40:81, 55:105])
    assert (drawn[20:38] != 100).any()


def test_untracked_objects_look_as_they_did_beside_tracked_ones() -> None:
    values = {"red cube": 2, "cube": 1}
    alone = draw_overlay(GREY, [square(left=100)], values)
    both = draw_overlay(GREY, [square(left=100), tracked(5, left=5)], values)
    np.testing.assert_array_equal(both[38:82, 98:], alone[38:82, 98:])


@pytest.mark.parametrize("state", TrackState)
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_unseen_objects_of_small_images_can_be_drawn(
    size: tuple[int, int], state: TrackState
) -> None:
    track = TrackStatus(1, state, 5, 5)
    segment = Segment("a", "a", 0.0, Box(0, 0, 1, 1), np.zeros(size, np.bool_), track=track)
    image = np.zeros((*size, 3), np.uint8)
    assert draw_overlay(image, [segment]).shape == image.shape
