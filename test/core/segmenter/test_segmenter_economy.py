"""What the segmenter does not run: shown by what reaches the sessions."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from recording_sessions import Change, Outputs, Recorder
from scenes import colour_scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BackendError, InferenceError, PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter import text as text_encoder
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Session, SessionOptions

SCENE = colour_scene(240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)]})
CLICK = InteractivePrompt(points=((50, 60),))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def segmenter(sam3_bundle_path: Path, recorder: Recorder) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as loaded:
        yield loaded


def changed(bundle: Path, **changes: Change) -> Segmenter:
    return Segmenter.load(bundle, threads=1, open_session=Recorder(changes))


def assert_same(found: list[Segment], expected: list[Segment]) -> None:
    assert [each.score for each in found] == [each.score for each in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)


def test_only_kept_queries_reach_the_segmentation(segmenter: Segmenter, recorder: Recorder) -> None:
    assert len(segmenter.segment(SCENE, "red")) == 2
    assert recorder.fed("scoring")["queries"].shape[1] == 8
    assert recorder.fed("segmentation")["queries"].shape[1] == 2


def test_nothing_kept_means_no_segmentation(segmenter: Segmenter, recorder: Recorder) -> None:
    assert segmenter.segment(SCENE, "green") == []
    assert "scoring" in recorder.stages
    assert "segmentation" not in recorder.stages


def test_words_run_the_detectors_part_alone(segmenter: Segmenter, recorder: Recorder) -> None:
    segmenter.segment(SCENE, "red")
    assert "detector_neck" in recorder.stages
    assert "tracker_neck" not in recorder.stages


def test_clicks_run_the_trackers_part_alone(segmenter: Segmenter, recorder: Recorder) -> None:
    segmenter.segment(SCENE, CLICK)
    assert recorder.stages == ["image_trunk", "tracker_neck", "prompt_encoder", "mask_decoder"]


def test_an_image_is_encoded_once_for_many_questions(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    embedding = segmenter.encode_image(SCENE)
    assert recorder.stages == []
    for text in ("red", "green", "object", "red"):
        segmenter.ask(embedding, [ConceptPrompt(text), CLICK])
    for stage in ("image_trunk", "detector_neck", "tracker_neck"):
        assert recorder.stages.count(stage) == 1
    assert recorder.stages.count("geometry") == 1


def test_dropped_features_are_not_needed_again_in_any_order_of_prompts(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    questions = [ConceptPrompt("red"), CLICK, ConceptPrompt("green")]
    expected = [segmenter.ask(segmenter.encode_image(SCENE), [each]) for each in questions]
    for order in permutations(range(len(questions))):
        recorder.runs.clear()
        embedding = segmenter.encode_image(SCENE)
        for number in order:
            assert_same(segmenter.ask(embedding, [questions[number]]), expected[number])
        assert recorder.stages.count("image_trunk") == 1


def test_features_are_freed_with_their_image_without_the_garbage_collector(
    sam3_bundle_path: Path,
) -> None:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        embedding = loaded.encode_image(SCENE)
        loaded.ask(embedding, [ConceptPrompt("red"), CLICK])
        features = weakref.ref(embedding.compute(["fpn2"], {})["fpn2"])
        gc.disable()
        try:
            del embedding
            assert features() is None
        finally:
            gc.enable()


def test_geometry_runs_for_every_set_of_exemplars(segmenter: Segmenter, recorder: Recorder) -> None:
    embedding = segmenter.encode_image(SCENE)
    exemplars = (Box(20, 30, 90, 110),)
    segmenter.ask(embedding, [ConceptPrompt("red"), ConceptPrompt("red", exemplars=exemplars)])
    segmenter.ask(embedding, [ConceptPrompt("red", exemplars=exemplars), ConceptPrompt("red")])
    assert recorder.stages.count("geometry") == 3


def test_a_text_is_encoded_once_for_many_images(segmenter: Segmenter, recorder: Recorder) -> None:
    for text in ("red", "Red ", "red"):
        segmenter.segment(SCENE.copy(), text)
    assert recorder.stages.count("text") == 1
    assert recorder.stages.count("image_trunk") == 3


def test_the_texts_used_last_are_remembered(
    segmenter: Segmenter, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoder, "PHRASES_KEPT", 2)
    for text in ("red", "green", "red", "blue", "red", "green"):
        segmenter.encode_text(text)
    words = [int(feeds["input_ids"][0, 1]) for name, feeds in recorder.runs if name == "text"]
    assert len(words) == 4
    assert words[1] == words[3]


def test_text_is_fed_as_start_words_end_and_padding(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    segmenter.encode_text("red object")
    assert recorder.fed("text")["input_ids"].tolist() == [[1, 4, 8, 2, 0, 0, 0, 0]]


def test_exemplars_without_text_ask_for_the_bundles_word(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    segmenter.segment(SCENE, ConceptPrompt(exemplars=(Box(20, 30, 90, 110),)))
    assert recorder.fed("text")["input_ids"].tolist() == [[1, 9, 2, 0, 0, 0, 0, 0]]


def test_the_geometry_token_is_there_without_exemplars(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    segmenter.segment(SCENE, "red")
    fed = recorder.fed("fusion")
    assert fed["prompt"].shape == (1, 9, 8)
    assert fed["prompt_mask"].tolist() == [[True] * 3 + [False] * 5 + [True]]


def test_nothing_runs_when_a_prompt_cannot_be_answered(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    with pytest.raises(PromptError):
        segmenter.segment(SCENE, "red", InteractivePrompt(points=((999, 5),)))
    assert recorder.stages == []


def test_timings_name_what_ran(segmenter: Segmenter) -> None:
    found = segmenter.segment(SCENE, "red")
    concept = {"geometry", "fusion", "decoder", "scoring", "segmentation"}
    image = {"preprocess", "image_trunk", "detector_neck"}
    assert set(found.timings) == image | concept | {"tokenize", "text", "postprocess"}
    assert all(seconds >= 0 for seconds in found.timings.values())
    embedding = segmenter.encode_image(SCENE)
    assert set(embedding.timings) == {"preprocess"}
    clicked = segmenter.ask(embedding, [CLICK])
    tracker = {"image_trunk", "tracker_neck", "prompt_encoder", "mask_decoder", "postprocess"}
    assert set(clicked.timings) == tracker
    tracked = segmenter.track().add(embedding, CLICK)
    assert set(tracked.timings) == {"prompt_encoder", "mask_decoder", "postprocess"}
    assert set(segmenter.encode_text("green").timings) == {"tokenize", "text"}
    assert segmenter.encode_text("green").timings == {}


def test_timings_of_an_answer_stay_those_of_its_call(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(SCENE)
    first = segmenter.ask(embedding, [CLICK])
    before = dict(first.timings)
    segmenter.ask(embedding, [ConceptPrompt("red")])
    assert first.timings == before
    assert set(embedding.timings) == {"preprocess"}


def test_a_stage_that_no_prompt_needs_is_not_opened(sam3_bundle_path: Path) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    stages = dict(bundle.manifest.stages)
    fusion = stages["fusion"]
    made = {"frame_memory": fusion.outputs["memory"]}
    stages["memory_encoder"] = replace(fusion, name="memory_encoder", outputs=made)
    with_video = Bundle(bundle.path, replace(bundle.manifest, stages=stages))
    with Segmenter.load(with_video, threads=1) as segmenter:
        assert segmenter.providers.keys() == stages.keys() - {"memory_encoder"}


def test_every_session_is_closed(sam3_bundle_path: Path, recorder: Recorder) -> None:
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder):
        assert len(recorder.opened) == 11
    assert all(session.closed for session in recorder.opened.values())


def test_a_closed_segmenter_refuses_to_answer_and_opens_nothing(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    embedding = segmenter.encode_image(SCENE)
    segmenter.close()
    segmenter.close()
    with pytest.raises(InferenceError, match="closed"):
        segmenter.ask(embedding, [CLICK])
    assert segmenter.providers == {}
    assert all(session.closed for session in recorder.opened.values())


def test_sessions_are_closed_when_one_cannot_be_made(
    sam3_bundle_path: Path, recorder: Recorder
) -> None:
    def fails_at_decoder(path: Path, backend: str, options: SessionOptions) -> Session:
        if path.stem == "decoder":
            raise BackendError("out of memory")
        return recorder(path, backend, options)

    with pytest.raises(BackendError, match="out of memory"):
        Segmenter.load(sam3_bundle_path, threads=1, open_session=fails_at_decoder)
    assert recorder.opened
    assert all(session.closed for session in recorder.opened.values())


def overflown(outputs: Outputs) -> Outputs:
    return {name: np.full_like(value, np.nan) for name, value in outputs.items()}


@pytest.mark.parametrize("stage", ["scoring", "segmentation", "mask_decoder"])
def test_outputs_that_overflowed_are_an_error_not_an_empty_answer(
    sam3_bundle_path: Path, stage: str
) -> None:
    with (
        changed(sam3_bundle_path, **{stage: overflown}) as segmenter,
        pytest.raises(InferenceError, match="not all finite"),
    ):
        segmenter.segment(SCENE, "red", CLICK)


def test_a_stage_that_fails_is_named_and_the_next_question_is_answered(
    sam3_bundle_path: Path,
) -> None:
    failures = iter([True])

    def fails_once(outputs: Outputs) -> Outputs:
        if next(failures, False):
            raise RuntimeError("device lost")
        return outputs

    with changed(sam3_bundle_path, fusion=fails_once) as segmenter:
        with pytest.raises(InferenceError, match=r"'fusion' failed .* device lost") as caught:
            segmenter.segment(SCENE, "red")
        assert isinstance(caught.value.__cause__, RuntimeError)
        assert len(segmenter.segment(SCENE, "red")) == 2


def test_a_kept_query_without_a_pixel_is_no_segment(sam3_bundle_path: Path) -> None:
    def empty(outputs: Outputs) -> Outputs:
        return {name: np.full_like(value, -9) for name, value in outputs.items()}

    with changed(sam3_bundle_path, segmentation=empty, mask_decoder=_empty_masks) as segmenter:
        assert segmenter.segment(SCENE, "red", CLICK) == []


def _empty_masks(outputs: Outputs) -> Outputs:
    return {**outputs, "masks": np.full_like(outputs["masks"], -9)}


@pytest.mark.parametrize(("shaky", "score"), [(False, 0.97), (True, 0.95)])
def test_the_stability_rule_chooses_for_a_box(
    sam3_bundle_path: Path, shaky: bool, score: float
) -> None:
    def shake(outputs: Outputs) -> Outputs:
        if shaky:  # all of mask 0 within delta of the threshold
            outputs["masks"][:, 0] = np.where(outputs["masks"][:, 0] > 0, 0.01, -0.01)
        return outputs

    with changed(sam3_bundle_path, mask_decoder=shake) as segmenter:
        (found,) = segmenter.segment(SCENE, InteractivePrompt(box=Box(20, 30, 90, 110)))
    assert found.score == pytest.approx(score, abs=1e-4)


def test_a_lone_click_takes_the_best_of_the_three(segmenter: Segmenter) -> None:
    (found,) = segmenter.segment(SCENE, CLICK)
    assert found.score == pytest.approx(0.95, abs=1e-4)
