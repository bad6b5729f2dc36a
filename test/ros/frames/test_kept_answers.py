"""Answers that are kept: small, and as they were."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.ros.frames.kept_answers import KeptAnswers


def blob(rows: slice, columns: slice, shape: tuple[int, int] = (48, 67)) -> Segment:
    mask = np.zeros(shape, bool)
    mask[rows, columns] = np.random.default_rng(3).random(mask[rows, columns].shape) < 0.7
    return Segment("id", "label", 0.5, Box(1.0, 2.0, 30.5, 40.5), mask)


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (slice(3, 20), slice(5, 18)),
        (slice(0, 48), slice(0, 67)),
        (slice(47, 48), slice(66, 67)),
        (slice(9, 10), slice(0, 67)),
        (slice(0, 0), slice(0, 0)),
    ],
)
def test_a_segment_comes_back_as_it_was(rows, columns):
    segment, active = blob(rows, columns), object()
    (again,) = KeptAnswers({active: (segment,)}).of(lambda _: True)[active]
    assert np.array_equal(again.mask, segment.mask)
    assert again.mask.dtype == bool
    assert (again.bounds, again.box, again.window) == (segment.bounds, segment.box, segment.window)
    assert (again.prompt_id, again.label, again.score) == ("id", "label", 0.5)


def test_a_track_that_is_not_seen_comes_back_as_it_was():
    status = TrackStatus(3, TrackState.OCCLUDED, age=9, frames_unseen=2)
    mask = np.zeros((48, 67), bool)
    unseen = Segment("id", "label", 0.0, Box(1.0, 2.0, 30.5, 40.5), mask, track=status)
    (again,) = KeptAnswers({"it": (unseen,)}).of(lambda _: True)["it"]
    assert (again.track, again.bounds, again.box) == (status, None, unseen.box)
    assert not again.mask.any()


def test_only_those_that_are_wanted_come_in_their_order():
    first, second, third = object(), object(), object()
    kept = KeptAnswers({first: (), second: (blob(slice(2, 5), slice(2, 5)),), third: ()})
    assert list(kept.of(lambda active: active is not second)) == [first, third]
    assert second in kept
    assert object() not in kept


def test_a_mask_takes_a_bit_for_each_pixel_of_its_bounds():
    image = (480, 640)
    small, large = (
        blob(slice(10, 18), slice(0, 16), image),
        blob(slice(0, 480), slice(0, 640), image),
    )
    assert KeptAnswers({object(): (small,)}).nbytes <= 16
    assert KeptAnswers({object(): (small, large)}).nbytes <= 16 + 480 * 80
    assert KeptAnswers().nbytes == 0
