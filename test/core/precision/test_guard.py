"""The precision guard on the tabletop: planted faults are caught and named, sound answers pass."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx_faults import (
    Fault,
    faulty,
    not_a_number,
    overflow,
    rounded_to_half,
    scaled_weights,
    swapped_channels,
    without_shapes,
)
from onnxruntime.quantization import QuantType, quantize_dynamic
from precision_bundles import with_precision

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import PrecisionError
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.precision.guard import PrecisionVerdict, judge
from sam3_ros.core.precision.questions import TABLE, few_of, reference_answers
from sam3_ros.core.precision.recorded import QuestionedImage, RecordedAnswers
from sam3_ros.core.precision.recording import answers_in_fp32, recorded_in
from sam3_ros.core.precision.repair import guard, judge_precision
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Session, SessionOptions

pytestmark = pytest.mark.long

TABLETOP = Bundle.open("tabletop")
STAGES = TABLETOP.manifest.stages_to_judge
FP16 = StagePlan(StageChoice("cpu", "fp16"))
FAULTS: Mapping[str, Fault] = {
    "weights too large": scaled_weights(4.0),
    "channels swapped": swapped_channels,
    "a NaN": not_a_number,
    "past the end of float16": overflow,
}


class Shared:
    """Sessions of the tabletop that outlive the graphs that use them."""

    def __init__(self) -> None:
        options = SessionOptions(threads=2)
        self._sessions = {
            name: open_session(TABLETOP.stage_file(name, "fp32"), "cpu", options) for name in STAGES
        }

    def graph(self, other: Mapping[str, Path]) -> StageGraph:
        """Make a graph of the tabletop's stages, those in `other` from other files."""

        def session(stage: StageSpec) -> Session:
            if stage.name in other:
                return open_session(other[stage.name], "cpu", SessionOptions(threads=2))
            return self._sessions[stage.name]

        return StageGraph(TABLETOP.manifest.stages.values(), session)


@pytest.fixture(scope="module")
def shared() -> Shared:
    return Shared()


@pytest.fixture(scope="module")
def recorded() -> RecordedAnswers:
    return reference_answers(TABLETOP)


def verdict_on(
    shared: Shared, recorded: RecordedAnswers, other: Mapping[str, Path], plan: StagePlan = FP16
) -> PrecisionVerdict:
    return judge(shared.graph(other), TABLETOP.manifest, plan, recorded)


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        pytest.param(stage, fault, id=f"{name}-{stage}")
        for name, fault in FAULTS.items()
        for stage in STAGES
        # The mask prompt has one channel, so there is nothing to swap.
        if (name, stage) != ("channels swapped", "mask_prompt")
    ],
)
def test_a_fault_in_any_stage_is_caught_and_named(
    stage: str, fault: Fault, shared: Shared, recorded: RecordedAnswers, tmp_path: Path
) -> None:
    file = faulty(TABLETOP.stage_file(stage, "fp32"), tmp_path / "faulty.onnx", fault)

    verdict = verdict_on(shared, recorded, {stage: file})

    assert not verdict.passed
    assert stage in verdict.blamed


@pytest.mark.parametrize(
    "stage", ["image_trunk", "detector_neck", "tracker_neck", "fusion", "decoder", "mask_decoder"]
)
def test_weights_that_are_five_per_cent_too_large_are_noticed(
    stage: str, shared: Shared, recorded: RecordedAnswers, tmp_path: Path
) -> None:
    file = tmp_path / "faulty.onnx"
    faulty(TABLETOP.stage_file(stage, "fp32"), file, scaled_weights(1.05))

    assert verdict_on(shared, recorded, {stage: file}).blamed == (stage,)


def test_without_reference_samples_the_answers_alone_are_judged(
    shared: Shared, recorded: RecordedAnswers, tmp_path: Path
) -> None:
    older = replace(recorded, samples={})
    file = faulty(TABLETOP.stage_file("fusion", "fp32"), tmp_path / "f.onnx", scaled_weights(1.5))

    sound, broken = (verdict_on(shared, older, other) for other in ({}, {"fusion": file}))

    assert sound.passed
    assert {each.distance for each in sound.stages} == {None}
    assert not broken.passed
    assert broken.blamed == ()


def test_weights_rounded_to_half_precision_pass(
    shared: Shared, recorded: RecordedAnswers, tmp_path: Path
) -> None:
    files = {
        name: faulty(TABLETOP.stage_file(name, "fp32"), tmp_path / f"{name}.onnx", rounded_to_half)
        for name in STAGES
    }

    verdict = verdict_on(shared, recorded, files)

    assert verdict.passed, verdict
    assert 0 < max(verdict.distances.values()) < 0.01


def test_products_in_eight_bits_pass(
    shared: Shared, recorded: RecordedAnswers, tmp_path: Path
) -> None:
    files = {name: tmp_path / f"{name}.onnx" for name in ("text", "fusion", "decoder")}
    for name, file in files.items():
        source = faulty(TABLETOP.stage_file(name, "fp32"), tmp_path / "bare.onnx", without_shapes)
        quantize_dynamic(source, file, ["MatMul"], weight_type=QuantType.QUInt8)

    verdict = verdict_on(shared, recorded, files, StagePlan(StageChoice("cpu", "int8")))

    assert verdict.passed, verdict
    assert verdict.distances["fusion"] > 1e-4, "nothing was quantised"


def pictures() -> Iterator[np.ndarray]:
    """Yield fifty crops of a table with random light, mirroring and noise."""
    table, random = read_rgb(TABLE), np.random.default_rng(5)
    for number in range(50):
        top, left = random.integers(0, 240), random.integers(0, 320)
        cut = table[top : top + 240, left : left + 320, :: random.choice((-1, 1))]
        light = random.uniform(0.3, 1.6)
        noise = random.normal(0, 40 if number % 10 == 0 else 4, cut.shape)
        yield np.clip(cut * light + noise, 0, 255).astype(np.uint8)


def test_fp32_on_the_cpu_is_never_refused(recorded: RecordedAnswers) -> None:
    """Record with two threads and judge with one, which adds up in another order."""
    (image,) = recorded.images
    images = [QuestionedImage(str(n), each, image.questions) for n, each in enumerate(pictures())]
    answers = answers_in_fp32(TABLETOP, images, threads=2)

    with Segmenter.load("tabletop", threads=1) as segmenter:
        for picture in images:
            asked = answers.of([(picture.name, question.name) for question in picture.questions])
            verdict = judge(segmenter.graph, TABLETOP.manifest, segmenter.plan, asked)
            assert verdict.passed, (picture.name, verdict.broken)
        assert guard(segmenter) is None


@pytest.fixture(scope="module")
def broken_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Write the tabletop with an fp16 whose neck overflows and whose decoder is too large."""
    folder = tmp_path_factory.mktemp("broken")
    files = {
        "tracker_neck": faulty(
            TABLETOP.stage_file("tracker_neck", "fp32"), folder / "n.onnx", overflow
        ),
        "decoder": faulty(
            TABLETOP.stage_file("decoder", "fp32"), folder / "d.onnx", scaled_weights(1.5)
        ),
    }
    return with_precision(TABLETOP, folder / "bundle", "fp16", files)


def test_a_precision_that_fails_is_refused_by_name(broken_bundle: Bundle) -> None:
    with Segmenter.load(broken_bundle, precision="fp16", threads=2) as segmenter:
        with pytest.raises(PrecisionError) as refusal:
            guard(segmenter)

        assert str(refusal.value).startswith("refused: cpu fp16 does not answer as fp32")
        assert "tracker_neck" in str(refusal.value)
        assert "on_precision_failure" in str(refusal.value)
        assert segmenter.plan == FP16


def test_blamed_stages_are_reverted_to_fp32_and_the_answers_with_them(
    broken_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with Segmenter.load(broken_bundle, precision="fp16", threads=2) as segmenter:
        guarded = guard(segmenter, "fp32")

        assert guarded is not None
        assert guarded.verdict is not None
        assert guarded.verdict.passed
        assert set(guarded.reverted) == {"tracker_neck", "decoder"}
        assert {name for name in STAGES if segmenter.plan.of(name) == REFERENCE} == {
            "tracker_neck",
            "decoder",
        }
        found = answers(segmenter)
    with Segmenter.load("tabletop", threads=2) as segmenter:
        expected = answers(segmenter)
    assert len(found) == len(expected) > 1
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)
        assert np.array_equal(ours.mask, theirs.mask)
    assert "tracker_neck" in caplog.text
    assert "reverted to fp32 on the CPU" in caplog.text


def test_where_all_stages_are_reverted_there_is_no_verdict(broken_bundle: Bundle) -> None:
    plan = StagePlan().changed(["tracker_neck", "decoder"], StageChoice("cpu", "fp16"))
    with Segmenter.load(broken_bundle, plan=plan, threads=2) as segmenter:
        guarded = guard(segmenter, "fp32")

        assert segmenter.plan.is_reference(STAGES)
        assert guard(segmenter) is None
    assert guarded is not None
    assert guarded.verdict is None
    assert set(guarded.reverted) == {"tracker_neck", "decoder"}
    assert str(guarded).endswith(
        "; then nothing is left to judge: all stages run in fp32 on the CPU"
    )
    assert "failed" not in str(guarded)


def answers(segmenter: Segmenter) -> list[Segment]:
    image = segmenter.encode_image(read_rgb(TABLE))
    return segmenter.ask(image, [ConceptPrompt("ball"), InteractivePrompt(points=((260, 220),))])


def test_where_nothing_was_recorded_fp32_is_asked_first(
    sam3_bundle_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Segmenter.load(sam3_bundle_path, precision="fp16", threads=1) as segmenter:
        verdict = judge_precision(segmenter)

    assert verdict.passed, verdict.broken
    assert {each.stage for each in verdict.stages} == set(segmenter.bundle.manifest.stages_in_use)
    assert "holds no recorded answers, so it is run in fp32" in caplog.text


def test_a_stage_that_raises_is_blamed(recorded: RecordedAnswers) -> None:
    with Segmenter.load("tabletop", threads=2, open_session=failing_in("fusion")) as segmenter:
        verdict = judge(segmenter.graph, TABLETOP.manifest, FP16, recorded)

    assert not verdict.passed
    assert verdict.blamed == ("fusion",)
    assert "the device is lost" in str(verdict.broken)


def failing_in(stage: str) -> Callable[[Path, str, SessionOptions], Session]:
    from recording_sessions import Recorder

    def lost(_: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise RuntimeError("the device is lost")

    return Recorder({stage: lost})


def test_the_questions_run_every_stage_in_use(recorded: RecordedAnswers, shared: Shared) -> None:
    verdict = verdict_on(shared, recorded, {})

    assert set(verdict.distances) == set(STAGES)


def test_the_shipped_recorded_file_is_read_with_its_reference_samples() -> None:
    everything = recorded_in(TABLETOP)

    assert everything is not None
    assert not everything.of_original
    sampled = {stage for stages in everything.samples.values() for stage in stages}
    assert {stage.removesuffix(", again") for stage in sampled} == set(STAGES)
    assert len(few_of(everything).answers) == 4
