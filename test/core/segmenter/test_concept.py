from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.bundle.manifest import Preprocessing
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.concept import exemplar_feeds, keep_queries, selected_by_points
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.transform import ImageTransform

FRAME = ImageTransform(ImageSize(48, 64), Preprocessing(24, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_a_score_is_the_query_times_the_presence() -> None:
    logits = np.array([[3.0, -1.0, 0.5, 4.0]], np.float32)
    kept = keep_queries(logits, np.array([[1.0]], np.float32), 0.5)
    assert kept.indices.tolist() == [3, 0]
    expected = [sigmoid(4) * sigmoid(1), sigmoid(3) * sigmoid(1)]
    np.testing.assert_allclose(kept.scores, expected, rtol=1e-6)


def test_an_absent_concept_keeps_nothing_however_sure_the_queries_are() -> None:
    kept = keep_queries(np.full((1, 5), 12.0, np.float32), np.array([[-6.0]], np.float32), 0.5)
    assert kept.indices.shape == (0,)


def test_the_threshold_itself_is_not_above_it() -> None:
    logits, presence = np.zeros((1, 1), np.float32), np.full((1, 1), 80, np.float32)
    assert len(keep_queries(logits, presence, 0.5).indices) == 0
    assert len(keep_queries(logits, presence, 0.4999).indices) == 1


def test_equal_scores_keep_the_models_order() -> None:
    kept = keep_queries(np.full((1, 4), 9.0, np.float32), np.full((1, 1), 9.0, np.float32), 0.5)
    assert kept.indices.tolist() == [0, 1, 2, 3]


@pytest.mark.filterwarnings("error")
def test_logits_far_from_zero_do_not_overflow() -> None:
    logits = np.array([[-1e4, 1e4]], np.float32)
    kept = keep_queries(logits, np.full((1, 1), 1e4, np.float32), 0.5)
    assert kept.indices.tolist() == [1]
    assert kept.scores.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_overflowed_are_an_error(bad: float) -> None:
    fine = np.ones((1, 1), np.float32)
    with pytest.raises(InferenceError, match=r"scores .* not all finite"):
        keep_queries(np.array([[1.0, bad]], np.float32), fine, 0.5)
    with pytest.raises(InferenceError, match=r"presence .* not all finite"):
        keep_queries(fine, fine * bad, 0.5)


def test_exemplars_are_fed_as_fractions_of_the_frame() -> None:
    prompt = ConceptPrompt("cube", (Box(0, 0, 32, 24), Box(60, 40, 99, 99)), (1, 0))
    feeds = exemplar_feeds(prompt, FRAME)
    np.testing.assert_allclose(feeds["boxes"][0, 0], [0.25, 0.25, 0.5, 0.5])
    np.testing.assert_allclose(feeds["boxes"][0, 1], [79.5 / 64, 69.5 / 48, 39 / 64, 59 / 48])
    assert feeds["box_labels"].tolist() == [[1, 0]]
    assert feeds["box_mask"].tolist() == [[True, True]]
    assert feeds["boxes"].dtype == np.float32
    assert feeds["box_labels"].dtype == np.int64


def test_no_exemplars_are_fed_as_none() -> None:
    feeds = exemplar_feeds(ConceptPrompt("cube"), FRAME)
    assert [feeds[name].shape for name in ("boxes", "box_labels", "box_mask")] == [
        (1, 0, 4),
        (1, 0),
        (1, 0),
    ]


@pytest.mark.parametrize(
    ("points", "labels", "kept"),
    [
        ((), (), True),
        (((2.5, 1.5),), (1,), True),
        (((7.5, 1.5),), (1,), False),
        (((2.5, 1.5), (7.5, 1.5)), (1, 1), True),
        (((2.5, 1.5),), (0,), False),
        (((7.5, 1.5),), (0,), True),
        (((2.5, 1.5), (3.9, 3.9)), (1, 0), False),
    ],
)
def test_points_select_among_masks(
    points: tuple[tuple[float, float], ...], labels: tuple[int, ...], kept: bool
) -> None:
    mask = np.zeros((8, 10), np.bool_)
    mask[0:4, 0:4] = True
    assert selected_by_points(mask, points, labels) is kept
