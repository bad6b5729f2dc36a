"""Which images are chosen, by number and by rate."""

from __future__ import annotations

import pytest

from sam3_ros.label.inputs.selection import Selection

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(every=3), [0, 3, 6]),
        (Selection(rate=1), [0, 2, 4, 6]),
        (Selection(rate=100), [0, 1, 2, 3, 4, 5, 6]),
        (Selection(rate=0.1), [0]),
    ],
)
def test_images_are_chosen_by_number_or_by_time(selection, expected):
    times = [n * SECOND // 2 for n in range(7)]
    assert [place.index for place in selection.of_times(times)] == expected


def test_images_of_one_time_are_told_apart_by_their_rank():
    places = Selection(every=2).of_times([5, 5, 5, 6, 6])
    assert [(place.index, place.time_ns, place.rank) for place in places] == [
        (0, 5, 0),
        (2, 5, 2),
        (4, 6, 1),
    ]


def test_chunks_are_of_one_length_but_the_last():
    cut = Selection(chunk_frames=3).cut(Selection().of_times(range(7)))
    assert [len(frames) for frames in cut] == [3, 3, 1]


@pytest.mark.parametrize(
    ("selection", "step"),
    [
        (Selection(every=4), 4),
        (Selection(rate=10), 3),
        (Selection(rate=100), 1),
        (Selection(rate=5e-324), 10**15),
    ],
)
def test_a_video_is_stepped_through(selection, step):
    assert selection.step_at(30.0) == step
