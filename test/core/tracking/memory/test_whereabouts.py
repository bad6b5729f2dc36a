"""What an answer of the model has to be, so that it is believed to be the same object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam3_ros.core.bundle.manifest import VideoSettings
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.tracking.memory.whereabouts import Whereabouts
from sam3_ros.core.tracking.place import Place

SIZE = ImageSize(240, 320)
ANY = VideoSettings(SIZE, SIZE, SIZE)
STRICT = replace(ANY, seen_above=3.0, found_above=5.0, farthest=2.0)


def square(x: int, y: int, side: int = 20) -> Place:
    mask = np.zeros(SIZE, np.bool_)
    mask[y : y + side, x : x + side] = True
    place = Place.of_mask(mask)
    assert place is not None
    return place


def moving(step: int) -> Whereabouts:
    """Return an object whose corner was at 100 and is at 100 + step: two of its sizes are 40 px."""
    shown = Whereabouts.where_shown(square(50, 100))
    return shown.seen(square(100, 100)).seen(square(100 + step, 100))


def hidden(known: Whereabouts, images: int) -> Whereabouts:
    for _ in range(images):
        known = known.not_seen()
    return known


def believed(known: Whereabouts, x: int, y: int = 100) -> bool:
    return known.objection(square(x, y), STRICT) == ""


def test_without_settings_everything_is_believed() -> None:
    known = moving(5)
    assert known.doubt(0.01, ANY) == ""
    assert known.objection(square(0, 0, 2), ANY) == ""


def test_the_model_must_be_surer_after_an_image_without_the_object() -> None:
    known = moving(5)
    assert known.doubt(3.01, STRICT) == ""
    assert known.doubt(3.0, STRICT) == "the model is not sure of it: 3.00, must be above 3"
    assert "after it was not seen: 4.00, must be above 5" in known.not_seen().doubt(4.0, STRICT)
    assert known.not_seen().doubt(5.1, STRICT) == ""


def test_what_is_found_again_is_never_believed_sooner_than_what_is_seen() -> None:
    assert moving(5).not_seen().doubt(2.0, replace(ANY, seen_above=3.0))


@pytest.mark.parametrize(
    ("x", "wanted"), [(110, True), (120, True), (159, True), (161, False), (71, True), (69, False)]
)
def test_an_object_is_near_where_it_was_or_would_be(x: int, wanted: bool) -> None:
    assert believed(moving(10), x) == wanted  # was at 110, would be at 120


def test_what_stops_or_slows_down_is_believed_at_any_pace() -> None:
    assert believed(moving(100), 200)
    assert believed(moving(100), 250)


def test_the_objection_has_both_numbers() -> None:
    objection = moving(0).objection(square(150, 100), STRICT)
    assert objection == "it jumped: 2.50 of its sizes from where it should be (at most 2.00)"


def test_the_size_is_that_of_the_larger_of_the_two() -> None:
    assert moving(0).objection(square(170, 100, 20), STRICT)
    assert moving(0).objection(square(150, 80, 60), STRICT) == ""
    assert moving(0).objection(square(170, 100, 2), STRICT)


def test_a_stray_pixel_does_not_move_an_object() -> None:
    mask = square(110, 100).whole()
    mask[100, 300] = True
    place = Place.of_mask(mask)
    assert place is not None
    assert moving(10).objection(place, STRICT) == ""


def test_after_a_prompt_it_may_be_anywhere_in_the_next_image() -> None:
    shown = Whereabouts.where_shown(square(0, 0))
    assert believed(shown, 300, 200)
    assert believed(hidden(shown, 1), 300, 200)
    assert shown.seen(square(300, 200)).step is None  # maybe the picture was an older one


def test_an_object_whose_pace_nobody_knows_may_be_twice_as_far() -> None:
    again = hidden(moving(10), 1).seen(square(100, 100))
    assert again.step is None
    assert believed(again, 179)
    assert not believed(again, 181)
    assert believed(hidden(again, 1), 199)  # and a quarter more
    assert not believed(hidden(again, 1), 201)


def test_each_image_without_it_widens_where_it_may_be() -> None:
    known = moving(10)
    assert not believed(known, 189)  # 4 sizes from 110, 3.5 from 120
    assert believed(hidden(known, 1), 189)  # 130 and 2.5 sizes, and its step
    assert not believed(hidden(known, 1), 195)
    assert believed(hidden(known, 20), 300, 200)


@pytest.mark.parametrize("step", [10, 20, 30])
@pytest.mark.parametrize("images", [1, 3, 5])
def test_what_goes_on_behind_something_is_believed_on_its_way(step: int, images: int) -> None:
    known = hidden(moving(step), images)
    assert believed(known, min(100 + step * (images + 2), 300))


def test_a_better_outline_in_the_same_image_does_not_change_its_pace() -> None:
    known = moving(10).renewed(square(112, 102, 30))
    assert known.step == (10.0, 0.0)
    assert known.pixels == 900
    assert moving(10).not_seen().renewed(square(0, 0)) == Whereabouts.where_shown(square(0, 0))


@pytest.mark.parametrize(
    "known", [Whereabouts.where_shown(square(3, 4)), moving(7), moving(7).not_seen()]
)
def test_it_is_saved_and_restored(known: Whereabouts) -> None:
    assert Whereabouts.restored(known.saved()) == known


@pytest.mark.parametrize(
    "arrays", [{}, {"whereabouts": np.zeros(6)}, {"whereabouts": np.full(5, np.nan)}]
)
def test_other_arrays_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError, match="where it was seen last"):
        Whereabouts.restored(arrays)
