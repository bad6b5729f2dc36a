"""Which limits a choice is judged by, and what a single bad mask does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from sam3_ros.core.precision.answers import RawAnswer
from sam3_ros.core.precision.difference import AnswerDifference, difference, worst
from sam3_ros.core.precision.limits import limits_of, stage_limit
from sam3_ros.core.stages.plan import StageChoice

BF16, FP16 = StageChoice("openvino", "bf16"), StageChoice("cpu", "fp16")


@pytest.mark.parametrize("backend", ["cuda", "tensorrt", "tensorrt_rtx", "openvino"])
def test_fp32_is_exact_everywhere(backend: str) -> None:
    limits = limits_of(StageChoice(backend))
    assert (limits.mask_iou, limits.scores, limits.boxes) == (0.999, 0.001, 0.001)
    assert stage_limit(StageChoice(backend)) == 0.001


@pytest.mark.parametrize("precision", ["fp16", "tf32", "fp24"])
def test_tf32_and_what_is_unknown_have_to_be_as_good_as_fp16(precision: str) -> None:
    limits = limits_of(StageChoice("cuda", precision))
    assert (limits.mask_iou, limits.scores, limits.boxes) == (0.98, 0.02, 0.01)
    assert stage_limit(StageChoice("cuda", precision)) == 0.02


Masks = npt.NDArray[np.bool_]


def disc(radius: float, row: float = 40.0, column: float = 40.0) -> Masks:
    y, x = np.mgrid[:80, :80]
    inside: Masks = np.hypot(y - row, x - column) <= radius
    return inside


def apart(expected: Masks, found: Masks) -> AnswerDifference:
    """Compare two single masks among many that are equal, so that the mean is high."""
    same = np.repeat(disc(20.0)[None], 99, axis=0)
    masks = [np.concatenate([each[None], same]) * 8.0 - 4.0 for each in (expected, found)]
    answers = [
        RawAnswer({"sam_iou": np.full((1, 100), 0.9, np.float32)}, each.astype(np.float32))
        for each in masks
    ]
    return difference(*answers)


def halved(mask: Masks) -> Masks:
    changed = mask.copy()
    changed[:, 40:] = False
    return changed


def with_holes(mask: Masks) -> Masks:
    scattered: Masks = mask & (np.random.default_rng(3).random(mask.shape) > 0.3)
    return scattered


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param(disc(12.0), halved(disc(12.0)), id="half of it is lost"),
        pytest.param(disc(12.0), disc(12.0, column=48.0), id="it lies elsewhere"),
        pytest.param(disc(12.0), disc(10.0), id="its edge moved by two pixels"),
        pytest.param(disc(12.0), with_holes(disc(12.0)), id="it has holes"),
        pytest.param(disc(1.5), np.zeros((80, 80), np.bool_), id="a small object is gone"),
        pytest.param(disc(1.5), disc(1.5, column=60.0), id="a small object lies elsewhere"),
        pytest.param(np.zeros((80, 80), np.bool_), disc(3.0), id="there was nothing"),
        pytest.param(disc(12.0), ~disc(12.0), id="inside out"),
    ],
)
@pytest.mark.parametrize("choice", [BF16, FP16], ids=str)
def test_one_bad_mask_among_a_hundred_is_refused(
    expected: Masks, found: Masks, choice: StageChoice
) -> None:
    total = apart(expected, found)
    assert total.mean_mask_iou > 0.98
    broken = limits_of(choice).broken_by(total)
    assert broken is not None
    assert "one of 100 masks" in broken


def touched(mask: Masks, pixels: int) -> Masks:
    """Take single pixels off the edge, evenly spread."""
    inside = mask.copy()
    inner = mask & np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1)
    edge = np.flatnonzero(mask & ~(inner & np.roll(mask, -1, 1)))
    inside.flat[edge[:: max(1, len(edge) // pixels)][:pixels]] = False
    return inside


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        pytest.param(disc(12.0), touched(disc(12.0), 12), id="pixels of a large edge"),
        pytest.param(disc(3.0), touched(disc(3.0), 5), id="pixels of a small edge"),
        pytest.param(disc(1.5), touched(disc(1.5), 3), id="a third of nine pixels"),
        pytest.param(disc(1.0), disc(1.0, column=40.6), id="a small one half a pixel further"),
        pytest.param(disc(0.5), np.zeros((80, 80), np.bool_), id="a single pixel is gone"),
        pytest.param(np.zeros((80, 80), np.bool_), disc(0.5), id="a single pixel came"),
        pytest.param(disc(12.0), disc(12.0, column=40.3), id="a third of a pixel further"),
        pytest.param(disc(12.0), disc(12.3), id="a little larger"),
    ],
)
def test_the_rounding_of_an_edge_is_taken(expected: Masks, found: Masks) -> None:
    total = apart(expected, found)
    assert total.mask_iou < 1
    assert limits_of(BF16).broken_by(total) is None


def test_the_worst_of_several_questions_keeps_the_one_bad_mask() -> None:
    good, bad = apart(disc(12.0), touched(disc(12.0), 6)), apart(disc(12.0), halved(disc(12.0)))
    total = worst([good, bad, good])
    assert total.lenient_mask_iou == bad.lenient_mask_iou < 0.7
    assert len(total.mask_ious) == len(total.lenient_ious) == 300


def test_where_only_plain_ious_are_known_nothing_is_forgiven() -> None:
    found = AnswerDifference(mask_ious=(*(1.0,) * 39, 0.625))
    assert found.mean_mask_iou > 0.98
    assert "0.625" in (limits_of(BF16).broken_by(found) or "")


def test_a_mask_that_is_not_finite_counts_as_wholly_wrong() -> None:
    sound = RawAnswer({"sam_iou": np.ones((1, 1), np.float32)}, np.ones((1, 8, 8), np.float32))
    broken = replace(sound, masks=np.full((1, 8, 8), np.nan, np.float32))
    assert difference(sound, broken).lenient_mask_iou == 0.0


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16", "int8"])
def test_every_precision_bounds_its_worst_mask(precision: str) -> None:
    limits = limits_of(StageChoice("cuda", precision))
    assert 0.8 <= limits.worst_mask <= limits.mask_iou


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("figure", ["scores", "boxes", "mask_ious", "lenient_ious"])
def test_a_figure_that_is_no_number_is_refused_wherever_it_stands(figure: str, at: int) -> None:
    sound = AnswerDifference(mask_ious=(1.0,), lenient_ious=(1.0,))
    unknown = (float("nan"),) if figure.endswith("ious") else float("nan")
    found = [sound] * 3
    found[at] = replace(sound, **{figure: unknown})
    assert limits_of(StageChoice("cpu", "fp16")).broken_by(worst(found)) is not None


def test_a_recorded_answer_that_is_not_finite_is_far_from_every_other() -> None:
    sound = RawAnswer({"sam_iou": np.ones((1, 1), np.float32)}, np.ones((1, 8, 8), np.float32))
    for broken in (
        replace(sound, masks=np.full((1, 8, 8), np.nan, np.float32)),
        replace(sound, tensors={"sam_iou": np.full((1, 1), np.nan, np.float32)}),
    ):
        assert limits_of(StageChoice("cpu", "int8")).broken_by(difference(broken, sound))
