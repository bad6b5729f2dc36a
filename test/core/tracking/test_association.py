"""Which detection is which object."""

from __future__ import annotations

import numpy as np
import pytest
from scenes import Corners, patch_mask

from sam3_ros.core.tracking.association import (
    Missing,
    best_pairs,
    found_again,
    overlaps_of,
    starting,
)
from sam3_ros.core.tracking.place import Place

SIZE = (96, 128)
HERE: Corners = (20, 20, 40, 40)


def at(corners: Corners) -> Place:
    place = Place.of_mask(patch_mask(*SIZE, corners))
    assert place is not None
    return place


def right_by(x: int, corners: Corners = HERE) -> Corners:
    left, top, right, bottom = corners
    return left + x, top, right + x, bottom


def test_overlaps_are_of_objects_by_detections() -> None:
    overlaps = overlaps_of([at(HERE), at(right_by(50))], [at(HERE), at(right_by(10)), at(HERE)])
    np.testing.assert_allclose(overlaps, [[1, 1 / 3, 1], [0, 0, 0]])
    assert overlaps_of([], [at(HERE)]).shape == (0, 1)
    assert overlaps_of([at(HERE)], []).shape == (1, 0)


@pytest.mark.parametrize(
    ("overlaps", "pairs"),
    [
        ([[0.9]], {0: 0}),
        ([[0.5]], {0: 0}),
        ([[0.49]], {}),
        ([[0.6, 0.9]], {0: 1}),
        ([[0.8], [0.9]], {1: 0}),
        ([[0.9, 0.0], [0.0, 0.7]], {0: 0, 1: 1}),
        ([[0.6, 0.9], [0.0, 0.8]], {0: 1}),
        ([[0.7, 0.6], [0.9, 0.0]], {1: 0, 0: 1}),
        ([[0.6], [0.6]], {0: 0}),
    ],
)
def test_the_best_overlap_is_paired_first(
    overlaps: list[list[float]], pairs: dict[int, int]
) -> None:
    assert best_pairs(np.array(overlaps), 0.5) == pairs


def missing(
    corners: Corners = HERE, *, expected: Corners | None = None, size: float = 0, frames: int = 3
) -> Missing:
    place = at(corners)
    there = None if expected is None else at(expected)
    return Missing(1, place, there, max(float(place.pixels), size), frames)


NEAR, FAR = right_by(25), right_by(55)


@pytest.mark.parametrize(
    ("gone", "detected", "again"),
    [
        pytest.param([missing()], [HERE], {0: 0}, id="where it was"),
        pytest.param([missing(frames=31)], [HERE], {}, id="where it was, but too long ago"),
        pytest.param([missing(expected=FAR)], [FAR], {0: 0}, id="where it should be"),
        pytest.param([missing()], [NEAR], {0: 0}, id="near, alike, alone"),
        pytest.param([missing(frames=31)], [NEAR], {}, id="near, but too long ago"),
        pytest.param([missing()], [FAR], {}, id="far"),
        pytest.param([missing()], [(35, 35, 45, 45)], {}, id="near, but small"),
        pytest.param([missing()], [(45, 5, 85, 45)], {}, id="near, but large"),
        pytest.param(
            [missing(size=1600)], [(45, 5, 85, 45)], {0: 0}, id="as large as before it was covered"
        ),
        pytest.param([missing()], [NEAR, right_by(-19)], {}, id="two detections that it may be"),
        pytest.param([missing(), missing(right_by(45))], [NEAR], {}, id="two objects it may be"),
        pytest.param(
            [missing(), missing(right_by(45), frames=31)], [NEAR], {0: 0}, id="one of two is old"
        ),
        pytest.param(
            [missing(), missing(right_by(-20))], [HERE, NEAR], {0: 0}, id="the other is too far"
        ),
    ],
)
def test_only_good_evidence_finds_an_object_again(
    gone: list[Missing], detected: list[Corners], again: dict[int, int]
) -> None:
    assert found_again(gone, [at(corners) for corners in detected], 0.5, 30) == again


def test_in_a_crowd_nothing_is_found_by_nearness() -> None:
    gone = [missing((x, 20, x + 3, 23)) for x in range(10, 70)]
    detected = [at((x, 26, x + 3, 29)) for x in range(10, 70)]
    assert found_again(gone, detected, 0.5, within=30) == {}


@pytest.mark.parametrize(
    ("scores", "places", "taken", "starts"),
    [
        ([0.9], [HERE], [], [0]),
        ([0.7], [HERE], [], [0]),
        ([0.69], [HERE], [], []),
        ([0.8, 0.9], [HERE, FAR], [], [1, 0]),
        ([0.8, 0.9], [HERE, right_by(2)], [], [1]),
        ([0.9], [HERE], [right_by(15)], []),
        ([0.9], [HERE], [right_by(18)], [0]),
    ],
)
def test_what_is_sure_and_overlaps_nothing_starts(
    scores: list[float], places: list[Corners], taken: list[Corners], starts: list[int]
) -> None:
    free = range(len(scores))
    found = starting(scores, [at(c) for c in places], free, [at(c) for c in taken], 0.7, 0.1)
    assert found == starts
