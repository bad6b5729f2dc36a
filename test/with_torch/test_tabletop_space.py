"""The table of errors in space: its truth against solids by arithmetic, and its figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solids import Ball, Block, View

pytest.importorskip("mujoco")

from sam3_ros.core.space.boxes import standing_box
from sam3_ros.core.space.spatial_object import BoxStance
from sam3_ros.training.tabletop.depth_noise import KINDS
from sam3_ros.training.tabletop.space import (
    DepthScene,
    PlaceError,
    box_iou,
    errors_of,
    exact_segments,
    meets_goals,
    summary,
    table,
    true_place,
)
from sam3_ros.training.tabletop.world import Scene, SceneObject

BLOCK = Block((0.1, 0.02, 0.04), (0.12, 0.06, 0.08), 0.5)


@pytest.fixture(scope="module")
def drawn() -> DepthScene:
    view = View([BLOCK, Ball((-0.12, 0.0, 0.05), 0.05)])
    picture = np.zeros((240, 320, 3), np.uint8)
    scene = Scene(picture, view.labels.astype(np.uint8), (SceneObject(0, 0), SceneObject(0, 1)))
    flat = DepthScene(scene, picture, view.z, view.camera, view.origin, view.axes, ())
    places = tuple(true_place(flat, view.mask(number)) for number in (1, 2))
    return replace(flat, places=places)


def test_the_truth_of_a_block_whose_sides_are_seen_is_the_block(drawn: DepthScene) -> None:
    place = drawn.places[0]
    np.testing.assert_allclose(place.centre, BLOCK.centre, atol=0.003)
    np.testing.assert_allclose(sorted(place.size), sorted(BLOCK.size), atol=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_noise_leaves_places_near_the_truth(drawn: DepthScene, kind: str) -> None:
    errors, placeless = errors_of(drawn, exact_segments(drawn), kind, np.random.default_rng(0))
    assert (len(errors), placeless) == (2, 0)
    for error in errors:
        assert error.centre < 2.5
        assert error.iou > 0.4
        assert error.scale == pytest.approx(1, abs=0.03)


def test_a_wrong_unit_and_a_missed_goal_are_seen() -> None:
    good = [PlaceError(kind, 0.1, 0.3, 0.8, 1.0) for kind in KINDS]
    assert meets_goals(good)
    assert summary(good, 2) == f"{len(KINDS)} places, 0 in a wrong unit, 2 objects without a place"
    thousandfold = replace(good[0], centre=99_900.0, scale=1000.0)
    assert not meets_goals([*good[1:], thousandfold])
    assert "1 in a wrong unit" in summary([thousandfold], 0)
    assert "| exact | **all** | 1 | 0.30 % | 0.30 % | 0.80 | 100 % |" in table(good)


def test_the_iou_of_a_box_with_itself_is_one_and_of_a_moved_one_less(drawn: DepthScene) -> None:
    corners = (np.indices((2, 2, 2)).reshape(3, 8) - 0.5) * np.array([[0.2], [0.1], [0.4]])
    world_corners = corners + np.array([[0.0], [0.0], [0.2]])
    optical = drawn.axes @ (world_corners - drawn.position[:, None])
    box = standing_box(optical, drawn.axes @ [0.0, 0, 1], BoxStance.UP, 0.001)
    true = replace(drawn.places[0], centre=np.array([0, 0, 0.2]), size=np.array([0.2, 0.1, 0.4]))
    true = replace(true, axes=np.eye(3))
    assert box_iou(drawn, true, box) == pytest.approx(1, abs=1e-6)
    moved = replace(true, centre=np.array([0.1, 0.0, 0.2]))
    assert box_iou(drawn, moved, box) == pytest.approx(1 / 3, abs=0.02)
