from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.label_image import PaintedSegments, label_image
from sam3_ros.core.segmenter.segments import Segment

SIZE = (6, 8)


def segment(prompt: str, score: float, columns: slice, size: tuple[int, int] = SIZE) -> Segment:
    mask = np.zeros(size, np.bool_)
    mask[:, columns] = True
    return Segment(prompt, prompt, score, Box(0, 0, 1, 1), mask)


def test_nothing_is_zero() -> None:
    labels = label_image([], {}, SIZE)
    assert labels.dtype == np.uint8
    assert labels.shape == SIZE
    assert not labels.any()


@pytest.mark.parametrize("reverse", [False, True])
def test_the_highest_score_shows_where_segments_overlap(reverse: bool) -> None:
    segments = [segment("a", 0.6, slice(0, 5)), segment("b", 0.9, slice(3, 8))]
    labels = label_image(segments[::-1] if reverse else segments, {"a": 10, "b": 20}, SIZE)
    assert labels[0].tolist() == [10, 10, 10, 20, 20, 20, 20, 20]


def test_of_equal_scores_the_earlier_shows() -> None:
    segments = [segment("a", 0.6, slice(0, 5)), segment("b", 0.6, slice(3, 8))]
    assert label_image(segments, {"a": 1, "b": 2}, SIZE)[0].tolist() == [1, 1, 1, 1, 1, 2, 2, 2]


def test_instances_of_a_prompt_share_its_value_but_not_their_own() -> None:
    segments = [segment("a", 0.9, slice(0, 2)), segment("a", 0.8, slice(4, 6))]
    assert label_image(segments, {"a": 7}, SIZE)[0].tolist() == [7, 7, 0, 0, 7, 7, 0, 0]
    instances = PaintedSegments(segments, SIZE).instances()
    assert instances.dtype == np.uint16
    assert instances[0].tolist() == [1, 1, 0, 0, 2, 2, 0, 0]


def test_instances_may_have_numbers_of_their_own() -> None:
    left, right = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    left[:, :2], right[:, 3] = True, True
    box = Box(0, 0, 4, 2)
    hidden = Segment("mug", "mug", 0.0, box, np.zeros((2, 4), bool))
    segments = [Segment("mug", "mug", 0.5, box, left), hidden]
    segments.append(Segment("mug", "mug", 0.9, box, right))
    painted = PaintedSegments(segments, (2, 4)).instances([7, 8, 65_535])
    assert painted.dtype == np.uint16
    assert painted.tolist() == [[7, 7, 0, 65_535]] * 2


def test_wider_values_need_a_wider_dtype() -> None:
    segments = [segment("a", 0.9, slice(0, 2))]
    assert label_image(segments, {"a": 1000}, SIZE, np.uint16).max() == 1000
    with pytest.raises(ValueError, match=r"1\.\.255, got 1000"):
        label_image(segments, {"a": 1000}, SIZE)


def test_what_cannot_be_painted_is_refused() -> None:
    segments = [segment("a", 0.9, slice(0, 2))]
    with pytest.raises(ValueError, match="no label value for prompt 'a'"):
        label_image(segments, {"b": 1}, SIZE)
    with pytest.raises(ValueError, match=r"1\.\.255, got 0"):
        label_image(segments, {"a": 0}, SIZE)
    with pytest.raises(ValueError, match="size"):
        label_image(segments, {"a": 1}, (5, 5))
    with pytest.raises(ValueError, match="unsigned"):
        label_image(segments, {"a": 1}, SIZE, np.float32)


def test_labels_instances_and_confidences_show_the_same_segment() -> None:
    segments = [
        segment("a", 0.6, slice(0, 5)),
        segment("b", 0.9, slice(3, 7)),
        segment("a", 0.2, slice(4, 6)),
    ]
    painted = PaintedSegments(segments, SIZE)
    assert painted.instances()[0].tolist() == [1, 1, 1, 2, 2, 2, 2, 0]
    assert painted.labels({"a": 10, "b": 20})[0].tolist() == [10, 10, 10, 20, 20, 20, 20, 0]
    confidences = painted.confidences()
    assert confidences.dtype == np.uint8
    assert confidences[0].tolist() == [153, 153, 153, 230, 230, 230, 230, 0]


def test_confidences_are_clipped_to_0_to_255() -> None:
    # A click's score is the model's estimate of an IoU, which may be more than 1.
    segments = [segment("a", 1.07, slice(0, 1)), segment("b", -0.02, slice(1, 2))]
    assert PaintedSegments(segments, SIZE).confidences()[0, :3].tolist() == [255, 0, 0]


@pytest.mark.parametrize("count", [255, 256, 300])
def test_many_segments_of_a_random_picture(count: int) -> None:
    """Every picture against the plain rule, pixel by pixel; numbers of 8 bits and of 16."""
    numbers = np.random.default_rng(count)
    scores = numbers.integers(1, 100, count) / 100  # with many that are equal
    masks = numbers.random((count, *SIZE)) < 0.05
    segments = [
        Segment(f"p{n % 40}", "", float(scores[n]), Box(0, 0, 1, 1), masks[n]) for n in range(count)
    ]
    values = {f"p{n}": n + 1 for n in range(40)}
    painted = PaintedSegments(segments, SIZE)
    for row, column in np.ndindex(SIZE):
        here = [n for n in range(count) if masks[n, row, column]]
        best = max(here, key=lambda n: (scores[n], -n))
        assert painted.instances()[row, column] == best + 1
        assert painted.labels(values)[row, column] == best % 40 + 1
        assert painted.confidences()[row, column] == round(scores[best] * 255)


@pytest.mark.parametrize("seed", range(6))
def test_objects_at_random_places_are_painted_where_they_are(seed: int) -> None:
    numbers = np.random.default_rng(seed)
    masks = np.zeros((4, 30, 40), np.bool_)
    for mask in masks[: seed % 4 + 1]:  # the others stay empty
        top, left = numbers.integers(30), numbers.integers(40)
        mask[top : top + 9, left : left + 9] = numbers.random(mask[top:, left:][:9, :9].shape) < 0.5
    segments = [
        Segment(str(n), "", 0.9 - n / 10, Box(0, 0, 1, 1), mask) for n, mask in enumerate(masks)
    ]
    expected = np.zeros((30, 40), np.uint16)
    for n in (3, 2, 1, 0):
        expected[masks[n]] = n + 1
    painted = PaintedSegments(segments, (30, 40))
    np.testing.assert_array_equal(painted.instances(), expected)
    values = {str(n): 40 * (n + 1) for n in range(4)}
    for dtype in (np.uint8, np.uint16, np.uint32):
        np.testing.assert_array_equal(painted.labels(values, dtype), 40 * expected)
    scores = np.array([0, 230, 204, 178, 153])
    np.testing.assert_array_equal(painted.confidences(), scores[expected])


def test_masks_that_are_views_of_others() -> None:
    whole = np.random.default_rng(2).random((12, 16)) < 0.5
    for mask in (whole[::-1], whole[:, ::-1], whole[::2, ::2], whole.T, np.asfortranarray(whole)):
        painted = PaintedSegments([Segment("a", "a", 0.5, Box(0, 0, 1, 1), mask)], mask.shape)
        np.testing.assert_array_equal(painted.instances(), mask)
