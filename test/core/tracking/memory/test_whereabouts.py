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
    """Return an object that was seen in two images and moves to the right."""
    return Whereabouts.shown(square(100, 100)).seen(square(100 + step, 100))


def test_without_settings_everything_is_believed() -> None:
    known = moving(5)
    assert known.doubt(0.01, ANY) == ""
    assert known.objection(square(0, 0, 2), ANY) == ""


def test_the_model_must_be_surer_after_an_image_without_the_object() -> None:
    known = moving(5)
    assert known.doubt(4.0, STRICT) == ""
    assert "3" in known.doubt(3.0, STRICT)
    assert "after it was not seen: 4.0 (least 5)" in known.not_seen().doubt(4.0, STRICT)
    assert known.not_seen().doubt(5.1, STRICT) == ""


@pytest.mark.parametrize(
    ("x", "believed"),
    [(110, True), (120, True), (159, True), (161, False), (71, True), (69, False)],
)
def test_an_object_is_near_where_it_was_or_would_be(x: int, believed: bool) -> None:
    known = moving(10)  # was at 110, would be at 120; two of its sizes are 40 px
    assert (known.objection(square(x, 100), STRICT) == "") == believed


def test_what_stops_at_once_is_believed_at_any_pace() -> None:
    assert moving(100).objection(square(200, 100), STRICT) == ""


def test_the_size_is_that_of_the_larger_of_the_two() -> None:
    far = square(170, 100, 20)
    assert moving(0).objection(far, STRICT)
    assert moving(0).objection(square(150, 80, 60), STRICT) == ""
    assert moving(0).objection(square(170, 100, 2), STRICT)


def test_an_object_whose_pace_nobody_knows_may_be_twice_as_far() -> None:
    once = Whereabouts.shown(square(100, 100))
    assert once.step is None
    assert once.objection(square(179, 100), STRICT) == ""
    assert "4.0" in once.objection(square(182, 100), STRICT)


def test_each_image_without_it_widens_where_it_may_be() -> None:
    known = moving(10)
    far = square(175, 100)  # 65 px from where it was, 55 from where it would be: 2.75 sizes
    assert known.objection(far, STRICT)
    assert known.not_seen().objection(far, STRICT) == ""  # 2 x 1.25 + 0.5
    assert known.not_seen().objection(square(195, 100), STRICT)
    for _ in range(20):
        known = known.not_seen()
    assert known.objection(square(300, 200), STRICT) == ""


def test_after_it_was_found_again_its_pace_is_not_known() -> None:
    assert moving(10).not_seen().seen(square(60, 60)).step is None


def test_a_better_outline_in_the_same_image_does_not_change_its_pace() -> None:
    known = moving(10).renewed(square(112, 102, 30))
    assert known.step == (10.0, 0.0)
    assert known.pixels == 900
    assert moving(10).not_seen().renewed(square(0, 0)) == Whereabouts.shown(square(0, 0))


@pytest.mark.parametrize("known", [Whereabouts.shown(square(3, 4)), moving(7).not_seen()])
def test_it_is_saved_and_restored(known: Whereabouts) -> None:
    assert Whereabouts.restored(known.saved()) == known


@pytest.mark.parametrize("arrays", [{}, {"whereabouts": np.zeros(5)}])
def test_other_arrays_are_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(BundleError, match="where it was seen last"):
        Whereabouts.restored(arrays)
