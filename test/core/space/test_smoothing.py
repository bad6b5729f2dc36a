"""Centres of followed objects over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.core.space.smoothing import CentreSmoother, SmoothingSettings
from sam3_ros.core.space.spatial_object import BoxStance, OrientedBox, SpatialObject

NOISE = 0.01


def seen_at(centre: np.ndarray, track: int | None = 1) -> SpatialObject:
    centre = np.array(centre, float)
    box = OrientedBox(centre, np.ones(3), np.array([0.0, 0, 0, 1]), BoxStance.PLANE)
    status = None if track is None else TrackStatus(track, TrackState.CONFIRMED, 0, 0)
    return SpatialObject(
        index=0,
        prompt_id="thing",
        label="thing",
        score=0.9,
        track=status,
        frame="camera",
        centre=centre,
        box=box,
        covariance=NOISE**2 * np.eye(3),
        mask_pixels=100,
        valid_pixels=100,
        spread=0.1,
        quality=1.0,
        remarks=(),
    )


def test_noise_becomes_less_and_the_velocity_is_found() -> None:
    random = np.random.default_rng(0)
    velocity = np.array([0.3, -0.1, 0.0])
    smoother = CentreSmoother(SmoothingSettings(acceleration=0.2))
    raw, smooth, normalised = [], [], []
    for step in range(120):
        true = np.array([0, 0, 1.0]) + velocity * step / 30
        seen = seen_at(true + random.normal(0, NOISE, 3))
        (answer,) = smoother.update([seen], step / 30)
        assert answer.centre is not None
        assert answer.covariance is not None
        if step >= 30:
            off = answer.centre - true
            raw.append(np.linalg.norm(seen.centre - true))
            smooth.append(np.linalg.norm(off))
            normalised.append(off @ np.linalg.solve(answer.covariance, off))
    assert np.mean(smooth) < 0.6 * np.mean(raw)
    assert answer.velocity is not None
    np.testing.assert_allclose(answer.velocity, velocity, atol=0.06)
    # The covariance is the errors' own: three degrees of freedom.
    assert 1.5 < np.mean(normalised) < 5


def test_the_box_moves_with_the_centre() -> None:
    smoother = CentreSmoother()
    smoother.update([seen_at([0, 0, 1])], 0.0)
    (answer,) = smoother.update([seen_at([0.02, 0, 1])], 0.1)
    assert answer.centre is not None
    assert answer.box is not None
    assert 0 < answer.centre[0] < 0.02
    np.testing.assert_allclose(answer.box.centre, answer.centre)


def test_what_is_not_followed_or_has_no_place_is_left_alone() -> None:
    smoother = CentreSmoother()
    untracked = seen_at([0, 0, 1], track=None)
    placeless = replace(seen_at([0, 0, 1]), centre=None, box=None, covariance=None)
    assert smoother.update([untracked, placeless], 0.0) == (untracked, placeless)


def test_it_goes_on_after_a_gap_and_begins_anew_after_a_long_one() -> None:
    smoother = CentreSmoother(SmoothingSettings(longest_gap=0.5))
    for step in range(10):
        smoother.update([seen_at([0.1 * step, 0, 1])], 0.1 * step)
    smoother.update([], 1.0)
    (answer,) = smoother.update([seen_at([1.2, 0, 1])], 1.2)
    assert answer.velocity is not None
    assert answer.velocity[0] == pytest.approx(1, abs=0.1)
    (answer,) = smoother.update([seen_at([5, 0, 1])], 1.8)
    assert answer.centre is not None
    np.testing.assert_array_equal(answer.centre, [5, 0, 1])
    np.testing.assert_array_equal(answer.velocity, np.zeros(3))


def test_tracks_do_not_disturb_each_other() -> None:
    smoother = CentreSmoother()
    for step in range(3):
        one, other = smoother.update([seen_at([0, 0, 1], 1), seen_at([3, 0, 1], 2)], 0.1 * step)
    assert one.centre is not None
    assert other.centre is not None
    np.testing.assert_allclose([one.centre[0], other.centre[0]], [0, 3], atol=1e-12)


def test_time_that_goes_back_and_another_frame_begin_anew() -> None:
    smoother = CentreSmoother()
    smoother.update([seen_at([0, 0, 1])], 5.0)
    (answer,) = smoother.update([seen_at([1, 0, 1])], 4.0)
    assert answer.centre is not None
    assert answer.centre[0] == 1
    (answer,) = smoother.update([replace(seen_at([2, 0, 1]), frame="map")], 4.1)
    assert answer.centre is not None
    assert answer.centre[0] == 2
    both = [seen_at([0, 0, 1]), replace(seen_at([0, 0, 1]), frame="map")]
    with pytest.raises(SpaceError, match="in one frame"):
        smoother.update(both, 4.2)


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(SpaceError, match="above 0"):
        SmoothingSettings(acceleration=0)
