"""OpenVINO as a backend: the numbers of fp32, the precision that was asked for, or a refusal."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx_graph import OnnxGraph

from sam3_ros.core.backends import open_session, openvino_session
from sam3_ros.core.backends.openvino_session import why_no_bf16
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, InferenceError, PrecisionError
from sam3_ros.core.precision.difference import AnswerDifference, worst
from sam3_ros.core.precision.questions import standard_images
from sam3_ros.core.precision.recorded import RecordedAnswers, answer_all
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.stages.session import BRIEF_USE, SessionOptions

pytest.importorskip("openvino", reason="openvino is not installed here")

TABLE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
TWO_THREADS = SessionOptions(threads=2)


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """Write the model out = twin = 2 * in, f32[1,n,3]; positive = in > 0, bool[1,n,3]."""
    g = OnnxGraph("doubler")
    value = g.input("in", np.float32, (1, "n", 3))
    g.output(g.scaled(value, 2.0), "out", np.float32, (1, "n", 3))
    g.output(g.scaled(value, 2.0), "twin", np.float32, (1, "n", 3))
    g.output(g.cast(g.above(value, 0.0), np.bool_), "positive", np.bool_, (1, "n", 3))
    return g.save(tmp_path / "doubler.onnx")


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    """Write the model out = 2 * in, f32[2,3]."""
    g = OnnxGraph("fixed")
    g.output(g.scaled(g.input("in", np.float32, (2, 3)), 2.0), "out", np.float32, (2, 3))
    return g.save(tmp_path / "fixed.onnx")


def difference_to_fp32(precision: str) -> AnswerDifference:
    """Return the worst differences over all kinds of questions."""
    bundle = Bundle.open("tabletop")
    images = standard_images(bundle.manifest, bundle.tokenizer_file)
    with Segmenter.load(bundle, threads=2) as reference:
        answers = dict(answer_all(reference.graph, bundle.manifest, images))
    with Segmenter.load(bundle, "openvino", precision, threads=2) as segmenter:
        found = RecordedAnswers(images, answers).differences(segmenter.graph, bundle.manifest)
    return worst(found.values())


def table() -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(TABLE)), cv2.COLOR_BGR2RGB)


def test_a_session_describes_its_tensors_by_the_names_in_the_file(doubler: Path) -> None:
    session = open_session(doubler, "openvino", TWO_THREADS)

    assert session.provider == "OpenVINO CPU (fp32)"
    assert list(session.inputs) == ["in"]
    assert session.inputs["in"].shape == (1, None, 3)
    assert list(session.outputs) == ["out", "twin", "positive"]
    assert session.outputs["positive"].dtype == np.bool_


@pytest.mark.parametrize("options", [TWO_THREADS, BRIEF_USE])
def test_any_size_is_answered_by_name(doubler: Path, options: SessionOptions) -> None:
    session = open_session(doubler, "openvino", options)
    for length in (2, 5, 1, 0, 3):
        value = np.arange(length * 3, dtype=np.float32).reshape(1, length, 3)[:, :, ::-1]
        value.flags.writeable = False
        results = session.run({"in": value})
        np.testing.assert_array_equal(results["out"], 2 * value)
        np.testing.assert_array_equal(results["twin"], 2 * value)
        np.testing.assert_array_equal(results["positive"], value > 0)


def test_an_answer_outlives_the_next_run(doubler: Path, fixed: Path) -> None:
    for path, shape in ((doubler, (1, 2, 3)), (fixed, (2, 3))):
        session = open_session(path, "openvino", TWO_THREADS)
        first = session.run({"in": np.ones(shape, np.float32)})["out"]
        session.run({"in": np.full(shape, 7, np.float32)})
        session.close()
        np.testing.assert_array_equal(first, np.full(shape, 2))


def test_feeds_that_openvino_would_make_up_or_convert_are_refused(doubler: Path) -> None:
    session = open_session(doubler, "openvino", TWO_THREADS)
    session.run({"in": np.ones((1, 2, 3), np.float32)})

    with pytest.raises(ValueError, match="'in' is not fed"):
        session.run({})
    with pytest.raises(ValueError, match=r"in: float32\[1, \?, 3\] is fed with float64"):
        session.run({"in": np.ones((1, 2, 3))})


def test_a_closed_session_says_so(doubler: Path) -> None:
    session = open_session(doubler, "openvino")
    session.close()
    session.close()
    with pytest.raises(InferenceError, match="closed"):
        session.run({"in": np.zeros((1, 1, 3), np.float32)})


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08" * 40])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=r"bad.onnx cannot be loaded on backend 'openvino'"):
        open_session(path, "openvino")


def test_fp32_is_fp32_also_where_the_cpu_has_bf16() -> None:
    found = difference_to_fp32("fp32")

    assert found.logits < 1e-4
    assert found.boxes < 1e-5
    assert found.masks_equal > 0.9999


def test_texts_and_clicks_get_the_masks_of_the_cpu_backend() -> None:
    prompts = (ConceptPrompt("red cube"), InteractivePrompt(points=((390, 225),)))
    with (
        Segmenter.load("tabletop", threads=2) as reference,
        Segmenter.load("tabletop", "openvino", threads=2) as segmenter,
    ):
        expected = reference.segment(table(), *prompts)
        found = segmenter.segment(table(), *prompts)

    assert len(found) == len(expected) > 1
    for one, other in zip(expected, found, strict=True):
        assert abs(one.score - other.score) < 1e-4
        assert (one.mask == other.mask).mean() > 0.9999


def test_fp16_files_answer_as_on_the_cpu_backend(sam3_bundle_path: Path) -> None:
    image = np.full((48, 64, 3), 200, np.uint8)
    prompt = InteractivePrompt(points=((30, 20),))
    answers = []
    for backend in ("cpu", "openvino"):
        with Segmenter.load(sam3_bundle_path, backend, "fp16", threads=2) as segmenter:
            answers.append(segmenter.segment(image, prompt))
    expected, found = answers
    assert len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.skipif(bool(why_no_bf16()), reason=f"bf16: {why_no_bf16()}")
def test_bf16_is_another_precision_and_says_so() -> None:
    found = difference_to_fp32("bf16")

    assert found.logits > 1e-3  # had it been computed in fp32 it would be a hundred times less
    assert found.mean_mask_iou > 0.9
    with Segmenter.load("tabletop", "openvino", "bf16", threads=2) as segmenter:
        assert set(segmenter.providers.values()) == {"OpenVINO CPU (bf16)"}


def test_a_precision_that_is_not_what_was_asked_is_refused(
    doubler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(openvino_session._HINTS, "bf16", ("f16", "bf16"))
    monkeypatch.setattr(openvino_session, "why_no_bf16", lambda: "")
    with pytest.raises(PrecisionError, match="was asked to compute in f16, and would in"):
        open_session(doubler, "openvino", SessionOptions(compute="bf16"))


def test_stages_of_one_model_may_run_on_both_engines() -> None:
    plan = StagePlan().changed(["fusion", "mask_decoder"], StageChoice("openvino"))
    with (
        Segmenter.load("tabletop", threads=2) as reference,
        Segmenter.load("tabletop", threads=2, plan=plan) as mixed,
    ):
        assert mixed.providers["fusion"] == "OpenVINO CPU (fp32)"
        assert mixed.providers["text"] == "CPUExecutionProvider"
        expected = reference.segment(table(), "red cube")
        found = mixed.segment(table(), "red cube")
    assert [one.label for one in found] == [one.label for one in expected] != []
