from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.bundle.manifest import InteractiveSettings, Preprocessing, SingleMask
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.interactive import (
    choose_mask,
    is_ambiguous,
    prompt_feeds,
    shows_no_object,
    stability,
)
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.transform import ImageTransform

FRAME = ImageTransform(
    ImageSize(48, 64),
    Preprocessing(24, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ImageSize(480, 640),
)
CLICK = InteractivePrompt(points=((3, 4), (5, 6)), point_labels=(1, 0))
BOX = InteractivePrompt(points=((3, 4),), box=Box(-5, 2, 10, 12))


def settings(**changes: object) -> InteractiveSettings:
    return InteractiveSettings(ImageSize(480, 640), **changes)  # type: ignore[arg-type]


def test_points_go_into_the_prompt_space() -> None:
    feeds = prompt_feeds(CLICK, FRAME, settings())
    np.testing.assert_allclose(feeds["point_coords"], [[[30, 40], [50, 60]]])
    assert feeds["point_labels"].tolist() == [[1, 0]]
    assert set(feeds) == {"point_coords", "point_labels"}


def test_a_box_is_two_corners_wherever_they_lie() -> None:
    feeds = prompt_feeds(BOX, FRAME, settings())
    np.testing.assert_allclose(feeds["point_coords"], [[[-50, 20], [100, 120], [30, 40]]])
    assert feeds["point_labels"].tolist() == [[2, 3, 1]]


@pytest.mark.parametrize(
    ("rule", "after_click", "after_box"),
    [
        ("inside", [1, 0], [2, 3, 1]),
        ("without_box", [1, 0, -1], [2, 3, 1]),
        ("never", [1, 0], [2, 3, 1]),
    ],
)
def test_the_bundle_says_who_adds_the_padding_point(
    rule: str, after_click: list[int], after_box: list[int]
) -> None:
    how = settings(padding_point=rule)
    assert prompt_feeds(CLICK, FRAME, how)["point_labels"].tolist() == [after_click]
    assert prompt_feeds(BOX, FRAME, how)["point_labels"].tolist() == [after_box]
    coords = prompt_feeds(CLICK, FRAME, how)["point_coords"]
    assert coords.shape == (1, len(after_click), 2)


def test_a_model_that_takes_a_mask_is_told_that_there_is_none() -> None:
    feeds = prompt_feeds(CLICK, FRAME, settings(mask_input=ImageSize(6, 8)))
    assert feeds["mask_input"].shape == (1, 1, 6, 8)
    assert feeds["has_mask"].tolist() == [0.0]
    assert not feeds["mask_input"].any()


def test_a_lone_point_may_mean_a_part() -> None:
    lone = InteractivePrompt(points=((3, 4),))
    assert is_ambiguous(lone, settings())
    assert not is_ambiguous(CLICK, settings())
    assert not is_ambiguous(BOX, settings())
    assert not is_ambiguous(lone, settings(multimask_max_points=0))
    assert is_ambiguous(CLICK, settings(multimask_max_points=2))


def four_masks(first: np.ndarray) -> np.ndarray:
    return np.stack([first, *np.full((3, *first.shape), 5.0)]).astype(np.float32)


STABLE = np.where(np.arange(100).reshape(10, 10) < 50, 5.0, -5.0)
SHAKY = np.where(np.arange(100).reshape(10, 10) < 50, 0.01, -5.0)
IOU = np.array([0.99, 0.5, 0.8, 0.7], np.float32)


@pytest.mark.parametrize(
    ("first", "ambiguous", "rule", "expected"),
    [
        (STABLE, True, "stability", 2),
        (STABLE, False, "stability", 0),
        (SHAKY, False, "stability", 2),
        (SHAKY, False, "first", 0),
    ],
)
def test_which_of_four_masks_answers(
    first: np.ndarray, ambiguous: bool, rule: str, expected: int
) -> None:
    how = SingleMask(rule)  # type: ignore[arg-type]
    assert choose_mask(four_masks(first), IOU, ambiguous, how) == expected


def test_stability_is_the_iou_of_the_cuts() -> None:
    logits = np.array([[0.2, 0.06, 0.04, -0.04, -0.06]], np.float32)
    assert stability(logits, 0.05) == pytest.approx(2 / 4)
    assert stability(np.full((2, 2), -9, np.float32), 0.05) == 1.0


def test_stability_at_the_threshold_is_enough() -> None:
    logits = np.full((1, 100), 5.0, np.float32)
    logits[0, :2] = 0.0  # in the union, not in the intersection: 98 of 100
    assert choose_mask(four_masks(logits), IOU, False, SingleMask()) == 0
    logits[0, 2] = 0.0
    assert choose_mask(four_masks(logits), IOU, False, SingleMask()) == 2


def test_the_object_score_gates_only_where_the_bundle_says_so() -> None:
    absent = {"object_score": np.array([[-0.5]], np.float32)}
    assert shows_no_object(absent, settings(object_score="gate"))
    assert not shows_no_object(absent, settings(object_score="ignore"))
    assert not shows_no_object({}, settings(object_score="ignore"))
    present = {"object_score": np.array([[0.5]], np.float32)}
    assert not shows_no_object(present, settings(object_score="gate"))


def test_an_object_score_that_overflowed_is_an_error() -> None:
    with pytest.raises(InferenceError, match="object score"):
        shows_no_object(
            {"object_score": np.array([[np.nan]], np.float32)}, settings(object_score="gate")
        )
