"""What the segmenter answers, on real ONNX sessions that segment by colour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import write_mobile_sam_bundle, write_sam3_bundle
from recording_sessions import Recorder
from scenes import colour_scene, iou, patch_mask

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError, ImageError, PrecisionError, PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment

HEIGHT, WIDTH = 240, 320
RED_LEFT, RED_RIGHT = (20, 30, 90, 110), (200, 40, 300, 180)
BLUE, GREEN = (40, 140, 120, 220), (190, 190, 240, 230)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": [RED_LEFT, RED_RIGHT], "blue": BLUE, "green": GREEN})


@pytest.fixture(scope="module")
def segmenter(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def clicker(mobile_sam_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as loaded:
        yield loaded


def assert_is(segment: Segment, corners: tuple[int, int, int, int], at_least: float = 0.93) -> None:
    assert segment.mask.dtype == np.bool_
    assert segment.mask.shape == (HEIGHT, WIDTH)
    assert iou(segment.mask, patch_mask(HEIGHT, WIDTH, corners)) >= at_least
    np.testing.assert_allclose(segment.box.as_tuple(), corners, atol=11)


def test_a_word_finds_every_instance_best_first(segmenter: Segmenter) -> None:
    larger, smaller = segmenter.segment(SCENE, "red")
    assert_is(larger, RED_RIGHT)
    assert_is(smaller, RED_LEFT)
    assert larger.score >= smaller.score > 0.5
    assert (larger.prompt_id, larger.label) == ("red", "red")


def test_a_concept_that_is_not_there_has_no_segments(segmenter: Segmenter) -> None:
    assert segmenter.segment(SCENE, "yellow") == []
    assert segmenter.segment(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), "object") == []


def test_several_prompts_are_answered_in_their_order(segmenter: Segmenter) -> None:
    prompts: list[Prompt | str] = [
        InteractivePrompt(points=((60, 180),), id="click", label="the blue one"),
        "yellow",
        ConceptPrompt("red", id="target"),
        InteractivePrompt(box=Box(*GREEN)),
    ]
    segments = segmenter.segment(SCENE, *prompts)
    assert [segment.prompt_id for segment in segments] == ["click", "target", "target", "box"]
    assert [segment.label for segment in segments] == ["the blue one", "red", "red", "box"]
    for segment, corners in zip(segments, (BLUE, RED_RIGHT, RED_LEFT, GREEN), strict=True):
        assert_is(segment, corners, at_least=0.85)


def test_asking_nothing_answers_nothing(segmenter: Segmenter) -> None:
    assert segmenter.segment(SCENE) == []


def test_exemplars_alone_find_what_looks_like_them(segmenter: Segmenter) -> None:
    found = segmenter.segment(SCENE, ConceptPrompt(exemplars=(Box(*RED_LEFT),)))
    assert [segment.prompt_id for segment in found] == ["visual", "visual"]
    assert_is(found[0], RED_RIGHT)


def test_a_negative_exemplar_narrows_a_word(segmenter: Segmenter) -> None:
    prompt = ConceptPrompt("object", exemplars=(Box(*BLUE),), exemplar_labels=(0,))
    found = segmenter.segment(SCENE, prompt)
    assert len(found) == 3
    assert not any(segment.mask[180, 80] for segment in found)


def test_points_select_among_what_a_word_finds(segmenter: Segmenter) -> None:
    (kept,) = segmenter.segment(SCENE, ConceptPrompt("red", points=((50, 60),)))
    assert_is(kept, RED_LEFT)
    without = ConceptPrompt("red", points=((50, 60),), point_labels=(0,))
    (kept,) = segmenter.segment(SCENE, without)
    assert_is(kept, RED_RIGHT)


def test_prompts_may_come_alone_or_in_a_list(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(SCENE)
    alone = ConceptPrompt("red")
    for asked in ("red", ["red"], ("red",), alone, [alone], iter(["red"])):
        assert len(segmenter.ask(embedding, asked)) == 2
    for prompts in (["red"], [["red"]], [["red"], "blue"], [("red", ConceptPrompt("blue"))]):
        found = segmenter.segment(SCENE, *prompts)
        assert {each.label for each in found} <= {"red", "blue"}
        assert len(found) >= 2


@pytest.mark.parametrize("prompts", [None, 3, b"red", {"red": 1}, [1], [b"red"], [None]])
def test_what_is_no_prompt_is_refused(segmenter: Segmenter, prompts) -> None:
    embedding = segmenter.encode_image(SCENE)
    with pytest.raises(PromptError, match=r"got (NoneType|int|bytes|dict)"):
        segmenter.ask(embedding, prompts)
    with pytest.raises(PromptError, match=r"got (NoneType|int|bytes|dict)"):
        segmenter.segment(SCENE, prompts)


@pytest.mark.parametrize("far", [1e7, 1e38, 1e308])
def test_a_box_of_absurd_numbers_is_refused_as_such(segmenter: Segmenter, far: float) -> None:
    box = Box(-far, 0, far, 50)
    for prompt in (InteractivePrompt(box=box), ConceptPrompt(exemplars=(box,))):
        with pytest.raises(PromptError, match=r"farther than 1e\+06 px: give it in pixels"):
            segmenter.segment(SCENE, prompt)


def test_a_click_on_nothing_has_no_segment(segmenter: Segmenter) -> None:
    assert segmenter.segment(SCENE, InteractivePrompt(points=((160, 10),))) == []


def test_a_negative_click_narrows_the_mask(segmenter: Segmenter) -> None:
    (whole,) = segmenter.segment(SCENE, InteractivePrompt(points=((280, 60),)))
    both = InteractivePrompt(points=((280, 60), (220, 160)), point_labels=(1, 0))
    (part,) = segmenter.segment(SCENE, both)
    assert whole.mask[160, 220]
    assert not part.mask[160, 220]
    assert part.mask[60, 280]


def test_an_interactive_box_is_the_masks_bounds(segmenter: Segmenter) -> None:
    (found,) = segmenter.segment(SCENE, InteractivePrompt(points=((60, 180),)))
    rows, columns = np.nonzero(found.mask)
    assert found.box == Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_box_may_reach_past_the_edge(segmenter: Segmenter) -> None:
    scene = colour_scene(HEIGHT, WIDTH, {"red": (0, 0, 80, 80)})
    (found,) = segmenter.segment(scene, InteractivePrompt(box=Box(-40, -40, 80, 80)))
    assert iou(found.mask, patch_mask(HEIGHT, WIDTH, (0, 0, 80, 80))) > 0.9


def test_the_score_threshold_may_be_set_for_a_call(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(SCENE)
    prompt = ConceptPrompt("red")
    assert len(segmenter.ask(embedding, [prompt], score_threshold=0.1)) == 2
    assert segmenter.ask(embedding, [prompt], score_threshold=0.999) == []


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (WIDTH, HEIGHT), (97, 203), (24, 32)])
def test_every_image_size_gets_masks_of_its_size(
    segmenter: Segmenter, shape: tuple[int, int]
) -> None:
    height, width = shape
    patch = (0, 0, width // 3, height // 2)
    scene = colour_scene(height, width, {"green": patch})
    (found,) = segmenter.segment(scene, "green")
    assert found.size == shape
    assert iou(found.mask, patch_mask(height, width, patch)) > 0.85


def test_half_precision_answers_the_same(sam3_bundle_path: Path, segmenter: Segmenter) -> None:
    with Segmenter.load(sam3_bundle_path, precision="fp16", threads=1) as half:
        click = InteractivePrompt(points=((60, 180),))
        for one, other in zip(
            segmenter.segment(SCENE, "red", click), half.segment(SCENE, "red", click), strict=True
        ):
            assert iou(one.mask, other.mask) > 0.99
            assert one.score == pytest.approx(other.score, abs=0.01)


def test_an_image_encoder_in_one_file_answers_the_same(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    bundle = write_sam3_bundle(tmp_path / "fused", split_image=False)
    with Segmenter.load(bundle, threads=1) as fused:
        click = InteractivePrompt(points=((60, 180),))
        pairs = zip(
            segmenter.segment(SCENE, "red", click), fused.segment(SCENE, "red", click), strict=True
        )
        for one, other in pairs:
            np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("upright", [True, False])
def test_a_padding_model_answers_clicks_and_boxes(
    tmp_path: Path, fused: bool, upright: bool
) -> None:
    height, width = (WIDTH, HEIGHT) if upright else (HEIGHT, WIDTH)
    patch = (10, 20, 90, 120)
    scene = colour_scene(height, width, {"blue": patch})
    bundle = write_mobile_sam_bundle(tmp_path / "mobile", fused_decoder=fused)
    with Segmenter.load(bundle, threads=1) as clicker:
        prompts = (InteractivePrompt(points=((50, 60),)), InteractivePrompt(box=Box(*patch)))
        for prompt in prompts:
            (found,) = clicker.segment(scene, prompt)
            assert iou(found.mask, patch_mask(height, width, patch)) > 0.9
            # Coarse cells may shrink the patch, but evenly: a shift would be a wrong frame.
            corners = np.array(found.box.as_tuple())
            np.testing.assert_allclose((corners[:2] + corners[2:]) / 2, (50, 70), atol=1)


def test_an_open_bundle_can_be_loaded(sam3_bundle_path: Path) -> None:
    bundle = Bundle.open(sam3_bundle_path)
    with Segmenter.load(bundle, threads=1) as segmenter:
        assert segmenter.bundle is bundle
        assert set(segmenter.providers) == set(bundle.manifest.stages)
        assert set(segmenter.providers.values()) == {"CPUExecutionProvider"}


def test_text_for_a_bundle_without_words_is_refused(clicker: Segmenter) -> None:
    with pytest.raises(PromptError, match=r"'cube' asks by text .* only points and a box"):
        clicker.segment(SCENE, "cube")
    with pytest.raises(PromptError, match="answers only points"):
        clicker.encode_text("cube")


# Width and height are 320 and 240 px, so that 16 and 12 px are as far outside as is allowed.
@pytest.mark.parametrize("point", [(336.5, 10), (10, 252.5), (-16.5, 5), (5, -12.5), (1e9, 1e9)])
def test_a_point_far_outside_the_image_is_refused(
    segmenter: Segmenter, point: tuple[float, float]
) -> None:
    for prompt in (
        InteractivePrompt(points=(point,), id="click"),
        ConceptPrompt("red", points=(point,), id="click"),
    ):
        with pytest.raises(PromptError, match=r"prompt 'click': the point .* of 320x240 px"):
            segmenter.segment(SCENE, prompt)


@pytest.mark.parametrize(
    ("outside", "edge"),
    [
        ((320, 60), (320, 60)),
        ((332, 60), (320, 60)),
        ((280, 252), (280, 240)),
        ((-16, -12), (0, 0)),
    ],
)
def test_a_point_just_outside_the_image_is_moved_to_its_edge(
    segmenter: Segmenter, outside: tuple[float, float], edge: tuple[float, float]
) -> None:
    image = segmenter.encode_image(SCENE)
    ours, wanted = (
        segmenter.ask(image, [InteractivePrompt((point, (280, 60)), id="click")])
        for point in (outside, edge)
    )
    np.testing.assert_array_equal(ours[0].mask, wanted[0].mask)
    words = segmenter.warnings(InteractivePrompt((outside,), id="click"), image.size)
    assert bool(words) == (outside != edge)
    assert all(str(edge) in word and "'click'" in word for word in words)


@pytest.mark.parametrize("edge", [(320, 100), (150, 240), (323, 250), (-5, 3)])
def test_a_point_at_the_edge_chooses_by_the_nearest_pixel(
    segmenter: Segmenter, edge: tuple[float, float]
) -> None:
    assert len(segmenter.segment(SCENE, ConceptPrompt("red", points=(edge,)))) == 0
    away = ConceptPrompt("red", points=(edge,), point_labels=(0,))
    assert len(segmenter.segment(SCENE, away)) == 2


def test_a_box_outside_the_image_is_refused(segmenter: Segmenter) -> None:
    outside = Box(400, 10, 500, 90)
    for prompt in (InteractivePrompt(box=outside), ConceptPrompt("red", exemplars=(outside,))):
        with pytest.raises(PromptError, match="lies outside the image of 320x240 px"):
            segmenter.segment(SCENE, prompt)


@pytest.mark.parametrize("text", ["", "  ", "x" * 10_000])
def test_a_bad_text_is_refused_and_the_segmenter_goes_on_working(
    segmenter: Segmenter, text: str
) -> None:
    with pytest.raises(PromptError):
        segmenter.segment(SCENE, text)
    with pytest.raises(PromptError):
        segmenter.encode_text(text)
    assert len(segmenter.segment(SCENE, "red")) == 2


def test_the_longest_text_is_answered(segmenter: Segmenter) -> None:
    assert len(segmenter.segment(SCENE, "red " * 250)) == 2


@pytest.mark.parametrize(
    "image", [SCENE.astype(np.float32), SCENE[:, :, 0], SCENE[:0], np.zeros((5, 5, 4), np.uint8)]
)
def test_a_bad_image_is_refused(segmenter: Segmenter, image: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"uint8 \[H, W, 3\]"):
        segmenter.encode_image(image)


def test_an_embedding_of_another_segmenter_is_refused(
    segmenter: Segmenter, clicker: Segmenter
) -> None:
    with pytest.raises(ValueError, match="another segmenter"):
        segmenter.ask(clicker.encode_image(SCENE), [ConceptPrompt("red")])


def test_a_precision_that_the_bundle_lacks_is_refused(mobile_sam_bundle_path: Path) -> None:
    with pytest.raises(PrecisionError, match="fp16"):
        Segmenter.load(mobile_sam_bundle_path, precision="fp16")


def test_an_unknown_bundle_is_refused() -> None:
    with pytest.raises(BundleError, match="no bundle 'nothing'"):
        Segmenter.load("nothing")


@pytest.mark.parametrize("threshold", [float("nan"), -0.1, 1.5])
def test_a_score_threshold_outside_0_to_1_is_refused(
    segmenter: Segmenter, threshold: float
) -> None:
    embedding = segmenter.encode_image(SCENE)
    with pytest.raises(PromptError, match=r"0\.\.1"):
        segmenter.ask(embedding, [ConceptPrompt("red")], threshold)


def test_a_str_is_asked_as_a_person_writes_it(segmenter: Segmenter) -> None:
    image = segmenter.encode_image(SCENE)
    found = segmenter.ask(image, ["red; blue", ConceptPrompt("green", id="g"), "yellow"])
    assert [[each.prompt_id for each in answer] for answer in found.by_prompt] == [
        ["red", "red", "blue"],
        ["g"],
        [],
    ]
    assert [s.prompt_id for s in segmenter.ask(image, "blue;")] == ["blue"]
    assert [s.prompt_id for s in segmenter.segment(SCENE, "blue; green")] == ["blue", "green"]
    with pytest.raises(PromptError, match="blank"):
        segmenter.ask(image, ["red", ";"])


def test_an_image_that_was_not_encoded_is_refused_with_what_to_do(segmenter: Segmenter) -> None:
    with pytest.raises(ImageError, match="got ndarray: encode it first, or call segment"):
        segmenter.ask(SCENE, ["red"])  # type: ignore[arg-type]


def test_the_phrases_of_a_str_share_its_threshold(segmenter: Segmenter) -> None:
    image = segmenter.encode_image(SCENE)
    found = segmenter.ask(image, ["red; blue", "green"], [1.0, None])
    assert [len(answer) for answer in found.by_prompt] == [0, 1]
    with pytest.raises(PromptError, match="got 3 for 2 prompts"):
        segmenter.ask(image, ["red; blue", "green"], [1.0, 1.0, None])


def test_negative_points_alone_are_answered(segmenter: Segmenter) -> None:
    segmenter.segment(SCENE, InteractivePrompt(((280, 60),), (0,)))  # no error: a model's answer


def test_boxes_partly_outside_are_put_to_the_model_as_they_are(sam3_bundle_path: Path) -> None:
    box, record = Box(-40, -60, 400, 220), Recorder()
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=record) as loaded:
        assert loaded.bundle.manifest.interactive is not None
        space = loaded.bundle.manifest.interactive.prompt_space
        image = loaded.encode_image(SCENE)
        loaded.ask(image, [InteractivePrompt(box=box), ConceptPrompt("red", exemplars=(box,))])
    scale = np.array([space.width / WIDTH, space.height / HEIGHT])
    fed = record.fed("prompt_encoder")
    coords = next(value for value in fed.values() if value.shape[-1:] == (2,))
    np.testing.assert_allclose(coords[0, :2], np.array([[-40, -60], [400, 220]]) * scale, rtol=1e-6)
    boxes = next(v for v in record.fed("geometry").values() if v.shape[-1:] == (4,))
    middle_and_size = [180 / WIDTH, 80 / HEIGHT, 440 / WIDTH, 280 / HEIGHT]
    np.testing.assert_allclose(boxes[0, 0], middle_and_size, rtol=1e-6)
