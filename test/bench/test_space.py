"""The bench of depth: its scene has places for all, and each step is timed in each round."""

from __future__ import annotations

import numpy as np

from sam3_ros.bench.space import space_scene, times_of
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.space.lift import lift


def test_each_step_is_timed_in_each_round() -> None:
    times = times_of(ImageSize(60, 80), 4, 3)
    assert list(times) == ["lift", "points", "objects_cloud", "scene_cloud", "whole chain"]
    steps = np.array(list(times.values()))
    assert steps.shape == (5, 3)
    np.testing.assert_allclose(steps[:4].sum(axis=0), steps[4])


def test_every_object_of_the_scene_has_a_place() -> None:
    _, depth, camera, segments = space_scene(ImageSize(240, 320), 10)
    objects = lift(segments, depth, camera)
    assert len(objects) == 10
    assert all(lifted.centre is not None and not lifted.remarks for lifted in objects)
