from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.pictures.captions import Caption, draw_captions, short_score
from sam3_ros.core.pictures.lettering import line_height
from sam3_ros.core.pictures.palette import BLACK, COLOURS
from sam3_ros.core.pictures.placement import Area

GREY = 100
SIZE = 12


def picture(height: int = 240, width: int = 320) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def drawn(captions: list[Caption], canvas: np.ndarray | None = None) -> np.ndarray:
    canvas = picture() if canvas is None else canvas
    draw_captions(canvas, captions, SIZE)
    return canvas


def caption(label: str, score: float, box: Area, colour: int = 0) -> Caption:
    return Caption(label, score, box, COLOURS[colour], ink=BLACK)


def of_track(track: str, unseen: str = "", label: str = "cube", box: Area | None = None) -> Caption:
    place = box or Area(50, 60, 120, 140)
    return Caption(label, 0.87, place, COLOURS[0], ink=BLACK, track=track, unseen=unseen)


def pixels_of(canvas: np.ndarray, colour: int) -> int:
    return int((canvas == COLOURS[colour]).all(axis=2).sum())


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.874, ".87"), (0.5, ".50"), (0.0, ".00"), (0.994, ".99"), (0.999, "1.0"), (1.0, "1.0"),
        (1.034, "1.0"), (-0.031, "-.03"), (-0.001, ".00"), (12.3, "12.3"),
    ],
)  # fmt: skip
def test_scores_are_short(score: float, expected: str) -> None:
    assert short_score(score) == expected


def test_a_caption_is_letters_on_a_plate_above_its_box() -> None:
    canvas = drawn([caption("red cube", 0.87, Area(50, 60, 120, 140))])
    rows, columns = np.nonzero((canvas != GREY).any(axis=2))
    assert rows.max() == 59
    assert rows.min() == 60 - line_height(SIZE)
    assert columns.min() == 50
    assert (canvas == 0).all(axis=2).any()


def test_a_score_that_changes_leaves_the_label_in_its_place() -> None:
    box = Area(50, 60, 200, 140)
    one, other = (drawn([caption("red cube", score, box)]) for score in (0.61, 0.87))
    changed = np.nonzero((one != other).any(axis=(0, 2)))[0]
    assert changed.size
    assert changed.min() > 50 + 40


def test_two_captions_on_one_box_are_both_there() -> None:
    box = Area(50, 60, 120, 140)
    canvas = drawn([caption("cube", 0.9, box), caption("ball", 0.8, box, colour=1)])
    alone = [pixels_of(drawn([caption("cube", 0.9, box)]), 0),
             pixels_of(drawn([caption("ball", 0.8, box, 1)]), 1)]  # fmt: skip
    assert [pixels_of(canvas, 0), pixels_of(canvas, 1)] == alone


def test_what_has_no_place_is_counted_in_the_corner() -> None:
    canvas = picture(60, 120)
    box = Area(40, 20, 60, 40)
    drawn([caption("cube", 0.9 - n / 100, box) for n in range(30)], canvas)
    corner = canvas[-line_height(SIZE) :, -20:]
    assert (corner == 0).all(axis=2).mean() > 0.3
    assert (corner > 200).all(axis=2).any()
    assert pixels_of(canvas, 0) > 0


def test_the_note_shows_how_many_there_are() -> None:
    def corner(number: int) -> np.ndarray:
        canvas = picture(20, 120)
        drawn([caption("x", 0.5, Area(0, 0, 20, 20))] * number, canvas)
        return canvas[:, -20:].copy()

    pictures = [corner(number) for number in (20, 21, 22)]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_the_least_certain_are_left_out() -> None:
    box = Area(60, 50, 62, 52)
    many = [caption(f"prompt {n}", n / 20, box, colour=n >= 18) for n in range(20)]
    canvas = drawn(many, picture(100, 200))
    best = [caption(f"prompt {n}", n / 20, box, colour=1) for n in (18, 19)]
    assert pixels_of(canvas, 1) == pixels_of(drawn(best, picture(100, 200)), 1)


def test_the_best_of_each_prompt_goes_before_the_second_of_another() -> None:
    box = Area(60, 50, 62, 52)
    cubes = [caption("cube", 0.9 - n / 100, box) for n in range(20)]
    ball = caption("ball", 0.1, box, colour=1)
    canvas = drawn([*cubes, ball], picture(100, 200))
    assert pixels_of(canvas, 1) == pixels_of(drawn([ball], picture(100, 200)), 1)


def test_captions_leave_most_of_a_picture_free() -> None:
    rng = np.random.default_rng(1)
    corners = rng.integers(0, [140, 100], (60, 2)).tolist()
    many = [caption("red cube", 0.9, Area(x, y, x + 15, y + 15)) for x, y in corners]
    canvas = drawn(many, picture(120, 160))
    assert (canvas != GREY).any(axis=2).mean() < 0.36


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (300, 5)])
def test_without_room_for_a_letter_nothing_is_written(size: tuple[int, int]) -> None:
    canvas = drawn([caption("cube", 0.9, Area(0, 0, 1, 1))], picture(*size))
    np.testing.assert_array_equal(canvas, picture(*size))


def test_a_long_label_is_cut_to_less_than_the_picture_and_keeps_its_score() -> None:
    canvas = drawn([caption("x" * 1000, 0.87, Area(50, 60, 120, 140))])
    columns = np.nonzero((canvas != GREY).any(axis=(0, 2)))[0]
    assert 100 < columns.size < 200


@pytest.mark.parametrize(
    ("track", "unseen", "expected"),
    [
        ("", "", ".87"), ("#3", "", "#3 .87"), ("#3?", "", "#3? .87"),
        ("#3", "hidden 12", "#3 hidden 12"),
    ],
)  # fmt: skip
def test_a_track_is_told_behind_the_label(track: str, unseen: str, expected: str) -> None:
    assert of_track(track, unseen).ending == expected


def test_another_track_is_another_caption() -> None:
    pictures = [drawn([of_track(track)]) for track in ("#3", "#4", "#3")]
    assert not np.array_equal(pictures[0], pictures[1])
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_a_long_label_is_cut_and_its_track_is_not() -> None:
    one, other = (drawn([of_track(track, label="x" * 1000)]) for track in ("#3", "#4"))
    assert not np.array_equal(one, other)


def test_where_nothing_else_fits_the_track_is_written() -> None:
    box = Area(0, 0, 20, 40)
    canvas = drawn([of_track("#3", box=box)], picture(40, 24))
    assert pixels_of(canvas, 0) > 0


def test_what_is_seen_is_named_before_what_is_hidden() -> None:
    box = Area(60, 50, 62, 52)
    hidden = [
        Caption(f"cube {n}", 0.0, box, COLOURS[1], BLACK, f"#{n}", "hidden 5") for n in range(9)
    ]
    seen = caption("ball", 0.1, box)
    canvas = drawn([*hidden, seen], picture(60, 120))
    assert pixels_of(canvas, 0) == pixels_of(drawn([seen], picture(60, 120)), 0)
