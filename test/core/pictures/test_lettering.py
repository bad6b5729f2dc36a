from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.pictures.fonts import OWN_FONT, loaded
from sam3_ros.core.pictures.lettering import lettered, line_height


@pytest.mark.parametrize("text", ["red cube", "красный куб", "立", "", "\x00", "x" * 100_000])
def test_every_text_of_a_size_has_the_same_height(text: str) -> None:
    assert lettered(text, 13).shape[0] == line_height(13)
    assert lettered(text, 13).dtype == np.uint8


def test_accents_and_descenders_are_not_cut_off() -> None:
    for size in (9, 13, 44):
        ascent, descent = loaded(OWN_FONT, size).getmetrics()
        _, top, _, bottom = loaded(OWN_FONT, size).getbbox("ÄŞgjy", anchor="ls")
        assert -ascent <= top < bottom <= descent
        assert lettered("ÄŞgjy", size).max() > 200


def test_what_is_too_wide_is_cut_and_ends_in_an_ellipsis() -> None:
    whole, cut = lettered("a long phrase", 13), lettered("a long phrase", 13, most=50)
    assert 30 < cut.shape[1] <= 50 < whole.shape[1]
    dots = lettered("…", 13)
    np.testing.assert_array_equal(cut[:, -4:], dots[:, -4:])


def test_what_fits_is_left_whole() -> None:
    whole = lettered("red", 13)
    np.testing.assert_array_equal(lettered("red", 13, most=whole.shape[1]), whole)


@pytest.mark.parametrize("most", [0, 1, 5])
def test_where_nothing_fits_there_is_no_ink(most: int) -> None:
    assert lettered("red", 13, most).shape[1] == 0


def test_letters_grow_with_the_size() -> None:
    assert lettered("red", 40).shape[1] == pytest.approx(4 * lettered("red", 10).shape[1], rel=0.15)
