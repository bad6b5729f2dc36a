"""The precision guard on the stages that follow objects, which texts and clicks never run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_model import RUNS, VideoModel, scene

from sam3_ros.core.errors import BundleError
from sam3_ros.core.precision.guard import PrecisionVerdict, judge
from sam3_ros.core.precision.questions import few_images, standard_images
from sam3_ros.core.precision.recorded import (
    QuestionedImage,
    RecordedAnswers,
    load_recorded_answers,
    recorded_of,
    save_recorded_answers,
)
from sam3_ros.core.stages.plan import StageChoice, StagePlan
from sam3_ros.core.stages.session import Array

VIDEO_STAGES = ("mask_prompt", "memory_encoder", "memory_attention", "object_pointer")
FP16 = StagePlan(StageChoice("cpu", "fp16"))


@pytest.fixture(scope="module")
def recorded() -> RecordedAnswers:
    model = VideoModel()
    (table,) = few_images(standard_images(model.manifest, None))
    small = QuestionedImage("scene", scene(3), table.questions)
    return recorded_of(model.graph, model.manifest, [small])


def judged(model: VideoModel, recorded: RecordedAnswers) -> PrecisionVerdict:
    return judge(model.graph, model.manifest, FP16, recorded)


def test_every_stage_of_following_is_judged(recorded: RecordedAnswers) -> None:
    verdict = judged(VideoModel(), recorded)
    assert verdict.passed
    assert {each.stage for each in verdict.stages} == set(RUNS)
    assert all(each.distance == 0 for each in verdict.stages)


@pytest.mark.parametrize("stage", VIDEO_STAGES)
def test_a_wrong_stage_of_following_is_blamed(stage: str, recorded: RecordedAnswers) -> None:
    def halved(outputs: dict[str, Array]) -> dict[str, Array]:
        return {name: value * np.float32(0.5) for name, value in outputs.items()}

    model = VideoModel()
    model.sessions[stage].changes = halved
    verdict = judged(model, recorded)
    assert not verdict.passed
    assert verdict.blamed == (stage,)


def test_a_stage_of_following_that_fails_is_blamed(recorded: RecordedAnswers) -> None:
    model = VideoModel()
    model.sessions["memory_attention"].fails = RuntimeError("no kernel for it")
    verdict = judged(model, recorded)
    assert verdict.broken is not None and "no kernel for it" in verdict.broken
    assert verdict.blamed == ("memory_attention",)


def test_the_question_is_kept_in_a_file(tmp_path: Path, recorded: RecordedAnswers) -> None:
    path = tmp_path / "answers.npz"
    save_recorded_answers(path, recorded)
    assert judged(VideoModel(), load_recorded_answers(path)).passed


def test_a_question_without_an_age_is_refused(tmp_path: Path, recorded: RecordedAnswers) -> None:
    (image,) = recorded.images
    path, question = tmp_path / "answers.npz", image.questions[-1]
    assert question.is_followed
    feeds = {name: value for name, value in question.feeds.items() if name != "memory_ages"}
    poorer = type(question)(question.name, feeds)
    one = recorded.of([(image.name, question.name)])
    save_recorded_answers(
        path,
        RecordedAnswers((QuestionedImage(image.name, image.pixels, (poorer,)),), one.answers),
    )
    with pytest.raises(BundleError, match="expected feeds"):
        load_recorded_answers(path)
