"""What is asked: clicks on what was found, each object once."""

from __future__ import annotations

from scenes import Corners, patch_mask

from sam3_ros.bench.side_by_side.pictures import MOST_CLICKED, clicks_on, shipped_pictures
from sam3_ros.core.geometry import Box, ImageSize, Point
from sam3_ros.core.tracking.place import Place

SIZE = ImageSize(96, 128)


def at(corners: Corners) -> Place:
    place = Place.of_mask(patch_mask(*SIZE, corners))
    assert place is not None
    return place


def test_an_object_that_two_texts_found_is_clicked_once_and_boxed_once() -> None:
    prompts = clicks_on([at((20, 20, 41, 41)), at((21, 20, 41, 41)), at((80, 50, 101, 71))], SIZE)

    assert [each.points for each in prompts] == [
        (Point(30.5, 30.5),),
        (Point(90.5, 60.5),),
        (),
        (),
    ]
    assert [each.box for each in prompts[2:]] == [Box(20, 20, 41, 41), Box(80, 50, 101, 71)]


def test_a_crowd_is_clicked_in_part() -> None:
    crowd = [at((x, y, x + 8, y + 8)) for x in range(0, 120, 10) for y in range(0, 80, 10)]
    assert len(clicks_on(crowd, SIZE)) == 2 * MOST_CLICKED


def test_where_nothing_was_found_a_grid_is_clicked() -> None:
    prompts = clicks_on([], SIZE)
    assert len(prompts) == 9
    assert prompts[0].points == (Point(32, 24),)
    assert prompts[-1].points == (Point(96, 72),)


def test_the_shipped_pictures_are_asked_the_given_texts_or_their_own() -> None:
    table, mirrored = shipped_pictures(["dog"])
    assert table.texts == mirrored.texts == ("dog",)
    assert (table.rgb[:, ::-1] == mirrored.rgb).all()
    assert "object" in shipped_pictures()[0].texts
