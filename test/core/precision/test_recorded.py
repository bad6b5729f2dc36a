"""Recorded answers: written, read back, and compared with a model that has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError
from sam3_ros.core.precision.answers import Question, RawAnswer
from sam3_ros.core.precision.difference import difference, worst
from sam3_ros.core.precision.recorded import (
    QuestionedImage,
    RecordedAnswers,
    answer_all,
    load_recorded_answers,
    save_recorded_answers,
)
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.text import ClipTokenizer


def questions(bundle: Bundle) -> tuple[Question, ...]:
    assert bundle.manifest.concept is not None
    tokenizer = ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)
    boxes = np.array([[[0.5, 0.5, 0.2, 0.2]]], np.float32)
    words = {"input_ids": tokenizer.encode("red cube")}
    none = {"boxes": boxes[:, :0], "box_labels": np.ones((1, 0), np.int64)}
    one = {"boxes": boxes, "box_labels": np.ones((1, 1), np.int64)}
    click = {
        "point_coords": np.array([[[160, 120]]], np.float32),
        "point_labels": np.array([[1]], np.int64),
        "mask_input": np.zeros((1, 1, 120, 160), np.float32),
        "has_mask": np.zeros(1, np.float32),
    }
    return (
        Question("words", {**words, **none, "box_mask": np.ones((1, 0), np.bool_)}),
        Question("words and box", {**words, **one, "box_mask": np.ones((1, 1), np.bool_)}),
        Question("click", click),
    )


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter.load("tabletop")


@pytest.fixture(scope="module")
def recorded(segmenter: Segmenter) -> RecordedAnswers:
    pixels = np.random.default_rng(2).integers(0, 256, (60, 90, 3), np.uint8)
    images = (QuestionedImage("noise", pixels, questions(segmenter.bundle)),)
    answers = answer_all(segmenter.graph, segmenter.bundle.manifest, images)
    return RecordedAnswers(images, dict(answers))


def test_the_same_model_gives_the_recorded_answers_again(
    recorded: RecordedAnswers, segmenter: Segmenter, tmp_path: Path
) -> None:
    save_recorded_answers(tmp_path / "answers.npz", recorded)
    again = load_recorded_answers(tmp_path / "answers.npz")

    differences = again.differences(segmenter.graph, segmenter.bundle.manifest)

    assert set(differences) == {("noise", name) for name in ("words", "words and box", "click")}
    total = worst(differences.values())
    assert max(total.logits, total.boxes, total.scores, total.mask_logits) < 1e-5
    assert total.masks_equal == total.mask_iou == 1


def test_masks_are_asked_of_the_recorded_queries(
    recorded: RecordedAnswers, segmenter: Segmenter
) -> None:
    key = ("noise", "words")
    logits = recorded.answers[key].tensors["logits"][0]
    best = recorded.answers[key].queries
    assert list(best) == list(np.argsort(-logits, kind="stable")[:3])

    found = dict(
        answer_all(
            segmenter.graph,
            segmenter.bundle.manifest,
            recorded.images,
            dict.fromkeys(recorded.answers, best[::-1]),
        )
    )

    np.testing.assert_allclose(found[key].masks[::-1], recorded.answers[key].masks, atol=1e-5)


def test_every_kind_of_change_shows_in_its_figure(recorded: RecordedAnswers) -> None:
    answer = recorded.answers["noise", "words"]
    tensors = answer.tensors

    def changed(name: str, by: float) -> RawAnswer:
        return replace(answer, tensors={**tensors, name: tensors[name] + np.float32(by)})

    assert difference(answer, changed("logits", 0.5)).logits == pytest.approx(0.5, abs=1e-5)
    assert difference(answer, changed("logits", 0.5)).scores > 0
    assert difference(answer, changed("presence", -0.5)).logits == pytest.approx(0.5, abs=1e-5)
    assert difference(answer, changed("pred_boxes", 0.25)).boxes == pytest.approx(0.25)
    flipped = difference(answer, replace(answer, masks=-answer.masks))
    assert flipped.mask_iou == 0
    assert flipped.masks_equal < 1
    assert flipped.mask_logits == pytest.approx(2 * np.abs(answer.masks).max())


def test_what_is_not_finite_is_as_far_away_as_can_be(recorded: RecordedAnswers) -> None:
    answer = recorded.answers["noise", "click"]
    masks = answer.masks.copy()
    masks[0, 0, 0] = np.nan

    found = difference(answer, replace(answer, masks=masks))

    assert found.mask_logits == float("inf")
    assert found.mask_iou == found.masks_equal == 0


def test_masks_of_other_queries_are_not_compared(recorded: RecordedAnswers) -> None:
    answer = recorded.answers["noise", "words"]
    with pytest.raises(ValueError, match="cannot be compared"):
        difference(answer, replace(answer, queries=(0, 1, 2)[: len(answer.queries)][::-1]))


def test_two_empty_masks_agree() -> None:
    masks = np.full((1, 4, 4), -1, np.float32)
    answer = RawAnswer({"sam_iou": np.ones((1, 4), np.float32)}, masks)

    assert difference(answer, answer).mask_iou == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x93NUMPY\x01\x00"])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answers.npz"
    path.write_bytes(content)

    with pytest.raises(BundleError, match=r"answers\.npz"):
        load_recorded_answers(path)
