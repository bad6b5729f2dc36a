"""Lengths that repeat on a GPU, and answers that do not depend on them.

Device sessions in the host's memory take the place of a GPU's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cuda_runtime import CudaRuntime
from device_sessions import Devices, compute_in_a_stream
from scenes import colour_scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.geometry import Box
from sam3_ros.core.image_file import read_rgb
from sam3_ros.core.segmenter.lengths import EXACT, ROUNDED, lengths_for, stacked
from sam3_ros.core.segmenter.masks import iou
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan

PICTURE = Path(__file__).parents[3] / "sam3_ros" / "demo_data" / "table.jpg"
#: Of things in the picture: two balls and three others.
BOXES = (
    Box(128, 289, 209, 369),
    Box(356, 197, 421, 260),
    Box(219, 173, 300, 267),
    Box(331, 142, 387, 199),
    Box(511, 185, 598, 286),
)
ON_GPU = StagePlan(StageChoice("cuda", "fp32"))
RED_AND_BLUE = colour_scene(
    240, 320, {"red": [(20, 30, 90, 110), (200, 40, 300, 180)], "blue": (20, 150, 90, 220)}
)


def assert_same(found: list[Segment], expected: list[Segment]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.prompt_id == other.prompt_id
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert iou(one.mask, other.mask) == 1
        np.testing.assert_allclose(one.box.as_tuple(), other.box.as_tuple(), atol=1e-2)


def exemplars(count: int) -> dict[str, np.ndarray]:
    return {
        "boxes": np.full((1, count, 4), 0.25, np.float32),
        "box_labels": np.zeros((1, count), np.int64),
        "box_mask": np.ones((1, count), np.bool_),
    }


def tokens(valid: list[bool]) -> dict[str, np.ndarray]:
    places = np.arange(1, len(valid) + 1, dtype=np.float32)
    return {"prompt": places[None, :, None].repeat(3, 2), "prompt_mask": np.array([valid])}


@pytest.mark.parametrize(("count", "rounded"), [(0, 1), (1, 1), (3, 4), (17, 32), (33, 33)])
def test_boxes_are_filled_up_with_such_as_are_not_valid(count: int, rounded: int) -> None:
    found = ROUNDED.boxes_of(exemplars(count))
    assert found["boxes"].shape == (1, rounded, 4)
    assert found["box_labels"].shape == found["box_mask"].shape == (1, rounded)
    assert found["box_mask"][0].tolist() == [True] * count + [False] * (rounded - count)
    assert found["boxes"][0, count:].tolist() == [[0.5, 0.5, 1, 1]] * (rounded - count)
    assert [found[name].dtype for name in found] == [np.float32, np.int64, np.bool_]


def test_only_valid_tokens_stay_and_their_number_is_a_multiple_of_eight() -> None:
    found = ROUNDED.tokens_of(tokens([True, True, False, True]))
    assert found["prompt"][0, :, 0].tolist() == [1, 2, 4, 0, 0, 0, 0, 0]
    assert found["prompt_mask"][0].tolist() == [True] * 3 + [False] * 5
    assert ROUNDED.tokens_of(tokens([True] * 9))["prompt"].shape == (1, 16, 3)
    assert ROUNDED.tokens_of(tokens([True] * 8))["prompt_mask"].all()


def test_kept_queries_are_filled_up_with_zeros() -> None:
    kept = [np.full((count, 2), count, np.float32) for count in (3, 1)]
    found = ROUNDED.queries_of(kept)
    assert found[:, :, 0].tolist() == [[3, 3, 3, 0], [1, 0, 0, 0]]
    assert ROUNDED.queries_of([np.ones((150, 2), np.float32)]).shape == (1, 200, 2)


def test_prompts_go_together_in_few_numbers_and_none_is_made_up() -> None:
    groups = [len(range(7)[group]) for group in ROUNDED.groups_of(7)]
    assert groups == [4, 2, 1]
    assert [range(3)[group] for group in EXACT.groups_of(3)] == [range(n, n + 1) for n in range(3)]
    assert ROUNDED.groups_of(0) == []
    joined = stacked([tokens([True]), tokens([True, True, False])])
    assert joined["prompt"][:, :, 0].tolist() == [[1, 0, 0], [1, 2, 3]]
    assert joined["prompt_mask"].tolist() == [[True, False, False], [True, True, False]]


def test_on_the_cpu_every_length_stays_as_it_is() -> None:
    given, joined = exemplars(3), tokens([True, False])
    for name, value in {**EXACT.boxes_of(given), **EXACT.tokens_of(joined)}.items():
        assert value is {**given, **joined}[name]
    assert EXACT.queries_of([np.ones((3, 2), np.float32)]).shape == (1, 3, 2)


def test_the_plan_says_which_rule_holds() -> None:
    manifest = Bundle.open("tabletop").manifest
    assert lengths_for(StagePlan(), manifest) is EXACT
    assert lengths_for(StagePlan(StageChoice("openvino", "fp32")), manifest) is EXACT
    assert lengths_for(ON_GPU, manifest) is ROUNDED
    assert lengths_for(StagePlan(StageChoice("tensorrt", "fp16")), manifest) is ROUNDED
    mixed = ON_GPU.changed(["fusion"], REFERENCE)
    assert lengths_for(mixed, manifest) == ROUNDED.one_by_one
    clicks = ON_GPU.changed(["geometry", "fusion", "decoder", "scoring", "segmentation"], REFERENCE)
    assert lengths_for(clicks, manifest) is EXACT


@pytest.mark.parametrize(
    ("text", "boxes", "threshold"),
    [
        ("red cube", 0, 0.5),
        ("object", 0, 0.05),
        ("object", 1, 0.01),
        ("object", 3, 0.01),
        ("object", 5, 0.01),
        (None, 1, 0.01),
        (None, 3, 1e-3),
        (None, 5, 1e-4),
    ],
)
def test_the_shipped_model_answers_alike_with_and_without_rounding(
    text: str | None, boxes: int, threshold: float
) -> None:
    labels = (1, 1, 1, 0, 1)[:boxes]
    prompt = ConceptPrompt(text, BOXES[:boxes], labels)
    picture = read_rgb(PICTURE)
    answers = []
    for plan in (StagePlan(), ON_GPU):
        devices = Devices()
        with Segmenter.load("tabletop", threads=1, open_session=devices, plan=plan) as segmenter:
            answers.append(segmenter.ask(segmenter.encode_image(picture), [prompt], threshold))
    expected, found = answers
    assert len(expected) > 0
    assert_same(found, expected)


def test_every_set_of_shapes_is_replayed_from_a_graph_also_without_exemplars() -> None:
    picture = read_rgb(PICTURE)
    devices = Devices(graphs=True)
    with Segmenter.load("tabletop", open_session=devices, plan=ON_GPU) as segmenter:
        for text in ("red cube", "mug", "a yellow ball"):
            for _ in range(3):
                segmenter.ask(segmenter.encode_image(picture), [ConceptPrompt(text)])
        graphs = {stage: session.graphs for stage, session in devices.on_device.items()}
    assert graphs["geometry"] == graphs["fusion"] == graphs["decoder"] == graphs["scoring"] == 1


@pytest.fixture
def expected(sam3_bundle_path: Path) -> dict[str, list[Segment]]:
    with Segmenter.load(sam3_bundle_path, threads=1) as segmenter:
        image = segmenter.encode_image(RED_AND_BLUE)
        words = ("red", "green", "blue", "object")
        return {word: segmenter.ask(image, [ConceptPrompt(word)]) for word in words}


@pytest.mark.parametrize(
    ("words", "groups", "segmented"),
    [
        (["red", "blue"], 1, 1),
        (["red", "green", "blue", "object"], 1, 3),
        (["green"] * 4, 1, 0),
        (["red", "blue", "object", "blue", "red", "green", "object"], 3, 3),
        (["red", "blue", "red"], 2, 2),
    ],
)
def test_several_prompts_are_answered_in_one_run_as_one_by_one(
    sam3_bundle_path: Path,
    expected: dict[str, list[Segment]],
    words: list[str],
    groups: int,
    segmented: int,
) -> None:
    devices = Devices()
    with Segmenter.load(sam3_bundle_path, open_session=devices, plan=ON_GPU) as segmenter:
        found = segmenter.ask(segmenter.encode_image(RED_AND_BLUE), [*map(ConceptPrompt, words)])
    for word, of_prompt in zip(words, found.by_prompt, strict=True):
        assert_same(list(of_prompt), expected[word])
    assert list(found) == [segment for answer in found.by_prompt for segment in answer]
    for stage in ("fusion", "decoder", "scoring"):
        assert devices.traffic.runs.count(stage) == groups
    assert devices.traffic.runs.count("segmentation") == segmented


@pytest.mark.parametrize("graphs", [False, True])
def test_several_prompts_in_a_stream_are_answered_as_one_by_one(
    sam3_bundle_path: Path,
    expected: dict[str, list[Segment]],
    monkeypatch: pytest.MonkeyPatch,
    graphs: bool,
) -> None:
    compute_in_a_stream(monkeypatch, CudaRuntime())
    words = ["red", "green", "object", "blue", "red", "object"]
    with Segmenter.load(sam3_bundle_path, open_session=Devices(graphs), plan=ON_GPU) as segmenter:
        for _ in range(3):
            image = segmenter.encode_image(RED_AND_BLUE)
            found = segmenter.ask(image, [*map(ConceptPrompt, words)])
            for word, of_prompt in zip(words, found.by_prompt, strict=True):
                assert_same(list(of_prompt), expected[word])


def test_a_file_for_one_prompt_is_asked_one_by_one() -> None:
    devices = Devices()
    asked = [ConceptPrompt(text) for text in ("red cube", "mug")]
    with Segmenter.load("tabletop", open_session=devices, plan=ON_GPU) as segmenter:
        segmenter.ask(segmenter.encode_image(read_rgb(PICTURE)), asked)
    assert devices.traffic.runs.count("fusion") == 2


@pytest.mark.parametrize("plan", [StagePlan(), ON_GPU])
def test_each_prompt_has_its_threshold_and_its_place(
    sam3_bundle_path: Path, expected: dict[str, list[Segment]], plan: StagePlan
) -> None:
    click = InteractivePrompt(points=((50, 60),))
    asked: list[Prompt] = [ConceptPrompt("red"), click, ConceptPrompt("blue"), ConceptPrompt("red")]
    with Segmenter.load(sam3_bundle_path, open_session=Devices(), plan=plan) as segmenter:
        image = segmenter.encode_image(RED_AND_BLUE)
        found = segmenter.ask(image, asked, [None, None, 1.0, expected["red"][1].score])
    assert [len(answer) for answer in found.by_prompt] == [2, 1, 0, 1]
    assert_same(list(found.by_prompt[0]), expected["red"])
    assert_same(list(found.by_prompt[3]), expected["red"][:1])
    assert found.by_prompt[1][0].prompt_id == click.id
