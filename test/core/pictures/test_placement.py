from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.placement import Area, FreePlaces

SIZE = ImageSize(100, 200)


def share(one: Area, other: Area) -> bool:
    across = min(one.right, other.right) > max(one.left, other.left)
    return across and min(one.bottom, other.bottom) > max(one.top, other.top)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Area(50, 40, 90, 60), (50, 30)),  # above
        (Area(50, 5, 90, 25), (50, 25)),  # below
        (Area(190, 40, 200, 60), (160, 30)),  # above, moved back into the picture
        (Area(50, 5, 110, 95), (50, 5)),  # inside
        (Area(50, 5, 60, 95), (60, 5)),  # to the right
        (Area(170, 5, 180, 95), (130, 5)),  # to the left
        (Area(0, 0, 200, 100), (0, 0)),
    ],
)
def test_a_caption_is_above_below_inside_or_at_a_side(box: Area, expected: tuple[int, int]) -> None:
    place = FreePlaces(SIZE, [box]).beside(box, 10, 40)
    assert place is not None
    assert (place.left, place.top) == expected
    assert (place.height, place.width) == (10, 40)


def test_captions_of_one_box_do_not_cover_each_other() -> None:
    box = Area(50, 40, 90, 60)
    places = FreePlaces(SIZE, [box])
    taken = [place for _ in range(20) if (place := places.beside(box, 10, 40)) is not None]
    assert 4 <= len(taken) < 20
    assert not any(share(one, other) for one, other in combinations(taken, 2))


def test_a_place_over_another_object_is_taken_only_if_there_is_no_other() -> None:
    box, above = Area(50, 40, 90, 60), Area(50, 20, 90, 40)
    place = FreePlaces(SIZE, [box, above]).beside(box, 10, 40)
    assert place == Area(50, 60, 90, 70)
    everything = Area(0, 0, 200, 100)
    assert FreePlaces(SIZE, [box, everything]).beside(box, 10, 40) == Area(50, 30, 90, 40)


@pytest.mark.parametrize(("height", "width"), [(101, 10), (10, 201)])
def test_what_is_larger_than_the_picture_has_no_place(height: int, width: int) -> None:
    box = Area(50, 40, 90, 60)
    assert FreePlaces(SIZE, [box]).beside(box, height, width) is None


def test_no_place_is_outside_the_picture_or_taken_twice() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        lows = rng.integers(0, [180, 90], (30, 2))
        boxes = [Area(x, y, x + 1 + int(w), y + 1 + int(h)) for (x, y), (w, h) in zip(
            lows.tolist(), rng.integers(0, [20, 10], (30, 2)), strict=True
        )]  # fmt: skip
        places = FreePlaces(SIZE, boxes)
        taken = [p for box in boxes if (p := places.beside(box, 12, 45)) is not None]
        assert taken
        assert not any(share(one, other) for one, other in combinations(taken, 2))
        assert all(p.left >= 0 and p.top >= 0 for p in taken)
        assert all(p.right <= 200 and p.bottom <= 100 for p in taken)
