"""Which frames count, and their ages: tables from the rules that the original follows."""

from __future__ import annotations

import pytest

from sam3_ros.core.bundle.manifest import VideoSettings
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.tracking.memory.choice import (
    AttendedFrame,
    MemoryRules,
    attended_frames,
    nearest_prompted,
)

SIZE = ImageSize(24, 32)


def pairs(frames: tuple[AttendedFrame, ...]) -> list[tuple[int, int]]:
    return [(each.frame, each.age) for each in frames]


def good(*frames: int) -> dict[int, float]:
    return dict.fromkeys(frames, 0.5)


@pytest.mark.parametrize(
    ("frame", "prompted", "tracked", "memories", "pointers"),
    [
        pytest.param(1, [0], [], [(0, 0)], [(0, 1)], id="the-first-frame"),
        pytest.param(
            3, [0], [1, 2], [(0, 0), (1, 2), (2, 1)], [(0, 3), (2, 1), (1, 2)], id="all-of-few"
        ),
        pytest.param(
            9,
            [0],
            range(1, 9),
            [(0, 0), (3, 6), (4, 5), (5, 4), (6, 3), (7, 2), (8, 1)],
            [(0, 9), *((9 - age, age) for age in range(1, 9))],
            id="six-others-and-older-pointers",
        ),
        pytest.param(
            40,
            [0],
            range(1, 40),
            [(0, 0), *((40 - age, age) for age in range(6, 0, -1))],
            [(0, 40), *((40 - age, age) for age in range(1, 16))],
            id="a-distance-is-not-clipped",
        ),
        pytest.param(
            8,
            [0, 5],
            [1, 2, 3, 4, 6, 7],
            [(0, 0), (5, 0), (2, 6), (3, 5), (4, 4), (6, 2), (7, 1)],
            [(0, 8), (5, 3), (7, 1), (6, 2), (4, 4), (3, 5), (2, 6), (1, 7)],
            id="the-place-of-a-prompted-frame-stays-empty",
        ),
        pytest.param(6, [4], [], [(4, 0)], [(4, 2)], id="places-before-the-start-stay-empty"),
        pytest.param(
            4, [0, 4], [3], [(0, 0), (4, 0), (3, 1)], [(0, 4), (4, 0), (3, 1)], id="on-a-prompted"
        ),
        pytest.param(
            2, [0, 5], [1], [(0, 0), (5, 0), (1, 1)], [(0, 2), (1, 1)], id="no-pointer-of-a-later"
        ),
    ],
)
def test_the_frames_that_count(
    frame: int,
    prompted: list[int],
    tracked: list[int],
    memories: list[tuple[int, int]],
    pointers: list[tuple[int, int]],
) -> None:
    found = attended_frames(MemoryRules(), frame, prompted, good(*tracked))
    assert pairs(found.memories) == memories
    assert pairs(found.pointers) == pointers


@pytest.mark.parametrize(
    ("prompted", "frame", "chosen"),
    [
        ([0, 9, 3, 6], 10, [0, 9, 3, 6]),
        ([0, 1, 2, 3, 4], 10, [4, 3, 2, 1]),
        ([0, 1, 2, 3, 4], 4, [3, 4, 2, 1]),
        ([0, 20, 30, 40, 50], 25, [20, 30, 40, 0]),
        ([30, 40, 50, 60, 70], 10, [30, 40, 50, 60]),
    ],
)
def test_of_many_prompted_frames_the_nearest_count(
    prompted: list[int], frame: int, chosen: list[int]
) -> None:
    assert list(nearest_prompted(prompted, frame, 4)) == chosen


def test_a_prompted_frame_beyond_the_limit_counts_as_any_other() -> None:
    rules = MemoryRules(prompted=2)
    found = attended_frames(rules, 6, [0, 3, 4, 5], good(1, 2))
    assert pairs(found.memories) == [(5, 0), (4, 0), (0, 6), (1, 5), (2, 4), (3, 3)]
    assert pairs(found.pointers) == [(5, 1), (4, 2), (3, 3), (2, 4), (1, 5), (0, 6)]


def test_a_short_clip_has_fewer_pointers() -> None:
    rules = MemoryRules(pointers=6, pointer_divisor=5)
    found = attended_frames(rules, 9, [0], good(*range(1, 9)))
    assert pairs(found.pointers) == [(0, 9), (8, 1), (7, 2), (6, 3), (5, 4), (4, 5)]


@pytest.mark.parametrize("memory_frames", range(1, 7))
def test_a_small_machine_attends_to_fewer_memories_and_as_many_pointers(
    memory_frames: int,
) -> None:
    rules = MemoryRules.of(VideoSettings(SIZE, SIZE, SIZE), memory_frames)
    found = attended_frames(rules, 9, [0], good(*range(1, 9)))
    assert pairs(found.memories)[1:] == [(9 - age, age) for age in range(memory_frames, 0, -1)]
    assert len(found.pointers) == 9


SELECTING = MemoryRules(selection=0.01)


@pytest.mark.parametrize(
    ("frame", "prompted", "quality", "memories", "pointers"),
    [
        pytest.param(1, [0], {}, [(0, 0)], [(0, 1)], id="the-prompted-frame-is-the-list"),
        pytest.param(
            4,
            [0],
            {1: 0.5, 2: 0.5, 3: 0.5},
            [(0, 0), (1, 3), (2, 2), (3, 1)],
            [(0, 4), (3, 1), (2, 2)],
            id="the-oldest-gives-no-pointer",
        ),
        pytest.param(
            6,
            [0],
            {1: 0.5, 2: 0.005, 3: 0.5, 4: 0.0, 5: 0.0},
            [(0, 0), (1, 3), (3, 2), (5, 1)],
            [(0, 6), (5, 1), (3, 2)],
            id="ranks-take-the-place-of-ages",
        ),
        pytest.param(
            6,
            [0, 5],
            {1: 0.5, 2: 0.5},
            [(0, 0), (5, 0), (1, 3), (2, 2)],
            [(0, 6), (5, 1), (2, 2)],
            id="a-prompted-frame-keeps-its-rank-without-a-memory",
        ),
        pytest.param(
            30,
            [0],
            dict.fromkeys(range(1, 30), 0.5),
            [(0, 0), *((30 - rank, rank) for rank in range(6, 0, -1))],
            [(0, 30), *((30 - rank, rank) for rank in range(1, 15))],
            id="fifteen-at-most",
        ),
        pytest.param(
            3, [1], {0: 0.9, 2: 0.0}, [(1, 0), (2, 1)], [(1, 2)], id="the-very-first-is-not-listed"
        ),
    ],
)
def test_memories_are_selected_by_their_quality(
    frame: int,
    prompted: list[int],
    quality: dict[int, float],
    memories: list[tuple[int, int]],
    pointers: list[tuple[int, int]],
) -> None:
    found = attended_frames(SELECTING, frame, prompted, quality)
    assert pairs(found.memories) == memories
    assert pairs(found.pointers) == pointers


@pytest.mark.parametrize("name", ["memories", "prompted", "pointers", "pointer_divisor"])
def test_rules_count_from_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MemoryRules(**{name: 0})
