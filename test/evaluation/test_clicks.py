"""Clicks go where a person would correct the mask."""

from __future__ import annotations

import numpy as np

from sam3_ros.evaluation.clicks import Click, next_click


def square(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[top:bottom, left:right] = True
    return mask


NOTHING = np.zeros((20, 30), bool)


def test_the_first_click_is_the_objects_middle() -> None:
    assert next_click(square(4, 11, 10, 17), NOTHING, ()) == Click((13.5, 7.5), True)


def test_the_edge_of_the_picture_is_the_edge_of_what_it_shows() -> None:
    click = next_click(square(0, 7, 0, 7), NOTHING, ())
    assert click is not None and click.point == (3.5, 3.5)


def test_what_is_too_much_is_clicked_away_if_it_is_deeper_than_what_is_missing() -> None:
    true, answered = square(2, 6, 2, 6), square(2, 5, 2, 6) | square(10, 17, 12, 19)
    assert next_click(true, answered, ()) == Click((15.5, 13.5), False)


def test_no_pixel_is_clicked_twice() -> None:
    true = square(4, 5, 4, 6)
    first = next_click(true, NOTHING, ())
    assert first is not None
    second = next_click(true, NOTHING, (first,))
    assert second is not None and second.point != first.point
    assert next_click(true, NOTHING, (first, second)) is None


def test_a_mask_that_is_right_needs_no_click() -> None:
    assert next_click(square(4, 9, 4, 9), square(4, 9, 4, 9), ()) is None
