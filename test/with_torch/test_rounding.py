"""A model that amplifies rounding is judged by float64; a wrong bundle still fails."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_clicker import FAMILY
from small_stages import change_weights

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.limits import FP32_NUMBERS, ROUNDING_ALLOWED, Fp32Limits
from sam3_ros.core.precision.questions import standard_images
from sam3_ros.core.precision.recorded import (
    RecordedAnswers,
    load_recorded_answers,
    save_recorded_answers,
)
from sam3_ros.core.stages.session import Session
from sam3_ros.core.stages.session_wrapper import WrappedSession
from sam3_ros.export.commands.export_job import ExportJob
from sam3_ros.export.commands.exporter import export_bundle
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.verification import stages as stage_verification
from sam3_ros.export.verification.end_to_end import (
    beyond_limits,
    original_answers,
    require_equal,
    rounding,
)
from sam3_ros.export.verification.stages import (
    ExactStage,
    compare_output,
    unit_cases,
    verify_stage,
)
from sam3_ros.export.weights.filled_network import FilledNetwork, from_seed

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def filled() -> FilledNetwork:
    return from_seed(FAMILY, 1, None, None)


@pytest.fixture(scope="module")
def manifest(filled: FilledNetwork, tmp_path_factory: pytest.TempPathFactory) -> object:
    job = ExportJob(
        family=FAMILY,
        architecture=filled.architecture,
        network=filled.network,
        input_size=filled.input_size,
        target=tmp_path_factory.mktemp("exported") / "bundle",
        source=filled.source,
        parts=("interactive",),
    )
    return export_bundle(job, lambda _: None).manifest


@pytest.fixture(scope="module")
def recorded(filled: FilledNetwork, manifest: object) -> RecordedAnswers:
    return original_answers(filled.network, manifest, standard_images(manifest, None))


def test_pytorchs_rounding_is_its_distance_to_float64(
    filled: FilledNetwork, manifest: object, recorded: RecordedAnswers
) -> None:
    before = {name: tensor.clone() for name, tensor in filled.network.state_dict().items()}
    asked = tuple(recorded.answers)[:3]

    found = rounding(filled.network, manifest, recorded, asked)

    assert set(found) == set(asked)
    assert all(0 < one.logits < 1e-5 for one in found.values())
    # A question has a few numbers, so the worst of all questions counts for each.
    everywhere = rounding(filled.network, manifest, recorded, tuple(recorded.answers))
    for number in ("logits", "boxes", "scores"):
        assert len({getattr(one, number) for one in (found | everywhere).values()}) == 1, number
    assert len({one.mask_logits for one in everywhere.values()}) > 1
    for name, tensor in filled.network.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("part", ["tensors", "masks"])
def test_an_answer_that_is_not_finite_gives_no_limits(
    filled: FilledNetwork, manifest: object, recorded: RecordedAnswers, part: str
) -> None:
    key, other = tuple(recorded.answers)[:2]
    answer = recorded.answers[key]
    broken = {
        "tensors": {name: np.full_like(each, np.inf) for name, each in answer.tensors.items()},
        "masks": np.full_like(answer.masks, np.nan),
    }
    answers = {**recorded.answers, key: replace(answer, **{part: broken[part]})}

    with pytest.raises(VerificationError, match="not finite"):
        rounding(filled.network, manifest, replace(recorded, answers=answers), (other,))
    assert next(filled.network.parameters()).dtype == torch.float32


def test_limits_are_the_usual_ones_unless_rounding_is_beyond_them() -> None:
    assert Fp32Limits.given(None) == Fp32Limits.given(AnswerDifference(logits=1e-7)) == Fp32Limits()

    wide = Fp32Limits.given(AnswerDifference(logits=1e-4, masks_equal=0.999))

    assert wide.logits == pytest.approx(ROUNDING_ALLOWED * 1e-4)
    assert wide.boxes == FP32_NUMBERS
    assert wide.masks_equal == pytest.approx(1 - ROUNDING_ALLOWED * 1e-3)


def test_a_larger_difference_is_refused_unless_float64_explains_it() -> None:
    key = ("table", "click")
    found = {key: AnswerDifference(logits=5e-5)}

    assert beyond_limits(found) == (key,)
    with pytest.raises(VerificationError, match="'click' asked of image 'table': logits differ by"):
        require_equal(found, {})
    with pytest.raises(VerificationError, match="at most 3e-05 is allowed"):
        require_equal(found, {key: AnswerDifference(logits=1e-5)})
    require_equal(found, {key: AnswerDifference(logits=2e-5)})


def test_nan_exceeds_every_limit() -> None:
    found = {("table", "click"): AnswerDifference(logits=float("nan"))}

    assert beyond_limits(found)
    with pytest.raises(VerificationError):
        require_equal(found, {("table", "click"): AnswerDifference(logits=1.0)})


def test_the_rounding_is_stored_with_the_answers(recorded: RecordedAnswers, tmp_path: Path) -> None:
    key = next(iter(recorded.answers))
    known = {key: AnswerDifference(logits=1e-4, mask_ious=(1.0, 0.5))}
    save_recorded_answers(tmp_path / "answers.npz", replace(recorded, rounding=known))

    assert load_recorded_answers(tmp_path / "answers.npz").rounding == known


def test_only_the_rounding_of_a_stage_itself_raises_its_limit(
    filled: FilledNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, stage = "mask_decoder", filled.network.stages()["mask_decoder"]
    file = write_onnx(stage, tmp_path / "stage.onnx")
    monkeypatch.setattr(stage_verification, "LIMIT", 1e-12)
    monkeypatch.setattr(stage_verification, "MASK_LIMIT", 1e-12)
    monkeypatch.setattr(stage_verification, "ROUNDING_ALLOWED", 1000)

    figures = verify_stage(name, stage, file.path)

    limits = [one.limit for one in figures.outputs.values()]
    assert all(1e-12 < limit < 1e-2 for limit in limits), limits
    change_weights(file.path, by=0.01)
    monkeypatch.setattr(stage_verification, "ROUNDING_ALLOWED", ROUNDING_ALLOWED)
    with pytest.raises(VerificationError, match="the export changed the stage"):
        verify_stage(name, stage, file.path)
    assert next(stage.parameters()).dtype == torch.float32
    assert np.isfinite(figures.largest)


class Answering(WrappedSession):
    """A session of a stage that gives these answers."""

    def __init__(self, real: Session, answers: Mapping[str, np.ndarray]) -> None:
        super().__init__(real)
        self._answers = dict(answers)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        del feeds
        return self._answers


@pytest.mark.parametrize(
    ("of_the_mean", "of_the_largest", "accepted"),
    [(1.0, 8.0, True), (1.0, 12.0, False), (2.5, 0.0, True), (3.5, 0.0, False)],
)
def test_one_number_may_be_further_off_than_all_of_them(
    filled: FilledNetwork,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    of_the_mean: float,
    of_the_largest: float,
    accepted: bool,
) -> None:
    """Times PyTorch's own rounding: every number is off by its mean, one by its largest."""
    name, stage = "mask_decoder", filled.network.stages()["mask_decoder"]
    file = write_onnx(stage, tmp_path / "stage.onnx")
    case = next(unit_cases(stage))
    true = ExactStage(lambda: stage).outputs(case)
    answers = {}
    for output, exact in true.items():
        own = compare_output(output, exact, case.outputs[output])
        answers[output] = exact + of_the_mean * own.mean
        if of_the_largest and exact.size > 1000:
            answers[output].flat[0] = case.outputs[output].flat[0] + of_the_largest * own.largest
    monkeypatch.setattr(stage_verification, "LIMIT", 1e-12)
    monkeypatch.setattr(stage_verification, "MASK_LIMIT", 1e-12)

    def verify() -> None:
        with closing(open_session(file.path)) as real:
            verify_stage(name, stage, Answering(real, answers), [case])

    if accepted:
        verify()
    else:
        with pytest.raises(VerificationError, match="the export changed the stage"):
            verify()
