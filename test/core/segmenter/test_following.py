"""An object followed from image to image, and dropped when it cannot be the same one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recording_sessions import Change, Outputs, Recorder
from scenes import colour_scene, iou, patch_mask

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.concept import exemplar_feeds
from sam3_ros.core.segmenter.following import LARGEST_LOGIT, Followed
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter

HEIGHT, WIDTH = 192, 256
CLICK = InteractivePrompt(points=((40, 60),), id="it", label="the patch")
LEAST = 0.5


def place(number: int) -> tuple[int, int, int, int]:
    """Where the patch is in that image: 8 px to the right each time."""
    return 24 + 8 * number, 40, 64 + 8 * number, 88


def scene(number: int) -> np.ndarray:
    return colour_scene(HEIGHT, WIDTH, {"red": place(number)})


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def segmenter(sam3_bundle_path: Path, recorder: Recorder) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as loaded:
        yield loaded


def follow(segmenter: Segmenter, image: np.ndarray, last: Followed) -> Followed:
    return segmenter.follow(segmenter.encode_image(image), CLICK, last, LEAST)


def start(segmenter: Segmenter, image: np.ndarray) -> Followed:
    return segmenter.start_following(segmenter.encode_image(image), CLICK)


def outline(followed: Followed) -> np.ndarray:
    assert followed.segment is not None, followed.lost
    return followed.segment.mask


def changed(bundle: Path, change: Change) -> Segmenter:
    return Segmenter.load(bundle, threads=1, open_session=Recorder({"mask_decoder": change}))


def test_the_first_answer_is_that_of_asking(segmenter: Segmenter) -> None:
    (asked,) = segmenter.segment(scene(0), CLICK)
    first = start(segmenter, scene(0)).segment
    assert first is not None
    np.testing.assert_array_equal(first.mask, asked.mask)
    assert (first.prompt_id, first.label, first.score) == ("it", "the patch", asked.score)


@pytest.mark.parametrize("kind", ["sam3", "mobile_sam"])
def test_an_object_that_moves_is_followed_far_from_the_click(
    kind: str, request: pytest.FixtureRequest
) -> None:
    bundle = request.getfixturevalue(f"{kind}_bundle_path")
    with Segmenter.load(bundle, threads=1) as segmenter:
        last = start(segmenter, scene(0))
        for number in range(1, 8):  # the object has left the point that was clicked
            last = follow(segmenter, scene(number), last)
            assert iou(outline(last), patch_mask(HEIGHT, WIDTH, place(number))) > 0.8, number
        assert last.segment is not None
        assert (last.segment.prompt_id, last.segment.label) == ("it", "the patch")


def test_a_model_that_takes_a_mask_is_given_the_last_one_at_its_own_size(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    last = start(segmenter, scene(0))
    assert recorder.fed("prompt_encoder")["has_mask"].tolist() == [0]
    follow(segmenter, scene(0), last)
    fed = recorder.fed("prompt_encoder")
    assert fed["has_mask"].tolist() == [1]
    assert fed["mask_input"].shape == (1, 1, 24, 32)
    there = patch_mask(HEIGHT, WIDTH, place(0))[4::8, 4::8]
    assert iou(fed["mask_input"][0, 0] > 0, there) > 0.9
    assert fed["point_labels"].tolist() == [[1]]
    (x, y) = fed["point_coords"][0, 0]
    assert (x, y) == pytest.approx((22, 32), abs=4)  # inmost of the patch, in prompt space


def test_the_mask_prompt_keeps_within_what_models_are_trained_to_take(
    sam3_bundle_path: Path,
) -> None:
    def loud(outputs: Outputs) -> Outputs:
        return {**outputs, "masks": outputs["masks"] * 20}

    recorder = Recorder({"mask_decoder": loud})
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as segmenter:
        follow(segmenter, scene(0), start(segmenter, scene(0)))
    mask = recorder.fed("prompt_encoder")["mask_input"]
    assert (mask.min(), mask.max()) == (-LARGEST_LOGIT, LARGEST_LOGIT)


def test_the_next_prompt_is_where_the_object_should_be_by_then(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    first = start(segmenter, scene(0))
    then = follow(segmenter, scene(1), first)
    assert first.segment is not None
    assert then.segment is not None
    step = (then.segment.box.x_min + then.segment.box.x_max) / 2
    step -= (first.segment.box.x_min + first.segment.box.x_max) / 2
    assert step > 2
    follow(segmenter, scene(2), then)
    fed = recorder.fed("prompt_encoder")
    moved = np.roll(then.segment.mask, round(step), axis=1)
    assert iou(fed["mask_input"][0, 0] > 0, moved[4::8, 4::8]) > 0.8
    assert moved[int(fed["point_coords"][0, 0, 1] * 2), int(fed["point_coords"][0, 0, 0] * 2)]


def test_a_model_that_takes_no_mask_is_given_a_box_with_a_margin(
    mobile_sam_bundle_path: Path,
) -> None:
    recorder = Recorder()
    with Segmenter.load(mobile_sam_bundle_path, threads=1, open_session=recorder) as segmenter:
        last = start(segmenter, scene(0))
        follow(segmenter, scene(0), last)
    fed = [feeds for _, feeds in recorder.runs if "coords" in feeds][-1]
    assert fed["labels"].tolist() == [[2, 3, 1]]
    first, second, inside = fed["coords"][0]  # 256 px for 256: prompt space is source px
    assert first == pytest.approx((22, 37.6), abs=2)
    assert second == pytest.approx((66, 90.4), abs=2)
    assert inside == pytest.approx((44, 64), abs=8)


def test_an_image_is_encoded_once_however_it_is_asked(
    segmenter: Segmenter, recorder: Recorder
) -> None:
    last = start(segmenter, scene(0))
    embedding = segmenter.encode_image(scene(1))
    for _ in range(2):
        segmenter.follow(embedding, CLICK, last, LEAST)
    segmenter.ask(embedding, [CLICK])
    assert recorder.stages.count("image_trunk") == 2
    assert recorder.stages.count("tracker_neck") == 2
    assert recorder.stages.count("prompt_encoder") == 4


def test_nothing_under_the_click_is_nothing_to_follow(segmenter: Segmenter) -> None:
    nothing = start(segmenter, colour_scene(HEIGHT, WIDTH, {}))
    assert nothing.segment is None
    assert nothing.lost == "the model sees no object there"
    with pytest.raises(ValueError, match="nothing to follow: the model sees no object"):
        follow(segmenter, scene(0), nothing)


def test_an_object_that_is_gone_is_lost(segmenter: Segmenter) -> None:
    gone = follow(segmenter, colour_scene(HEIGHT, WIDTH, {}), start(segmenter, scene(0)))
    assert (gone.segment, gone.lost) == (None, "the model sees no object there")


def test_an_empty_mask_is_lost(sam3_bundle_path: Path) -> None:
    answers = iter([1.0, 0.0])

    def empty_later(outputs: Outputs) -> Outputs:
        full = next(answers)
        return {**outputs, "masks": outputs["masks"] * full - 9 * (1 - full)}

    with changed(sam3_bundle_path, empty_later) as segmenter:
        lost = follow(segmenter, scene(0), start(segmenter, scene(0)))
    assert (lost.segment, lost.lost) == (None, "the model's mask is empty")


def test_a_score_that_falls_is_a_loss_with_its_numbers(sam3_bundle_path: Path) -> None:
    scores = iter([1.0, 0.4])

    def paler(outputs: Outputs) -> Outputs:
        return {**outputs, "iou": outputs["iou"] * next(scores)}

    with changed(sam3_bundle_path, paler) as segmenter:
        lost = follow(segmenter, scene(0), start(segmenter, scene(0)))
    assert lost.segment is None
    assert lost.lost == "its score fell to 0.39 (least 0.50)"


def test_an_answer_that_cannot_be_the_object_is_a_loss(sam3_bundle_path: Path) -> None:
    later = iter([False, True])

    def elsewhere(outputs: Outputs) -> Outputs:
        if next(later):
            outputs["masks"] = np.full_like(outputs["masks"], -9)
            outputs["masks"][..., 30:40, 40:60] = 9
        return outputs

    with changed(sam3_bundle_path, elsewhere) as segmenter:
        lost = follow(segmenter, scene(0), start(segmenter, scene(0)))
    assert (lost.segment, lost.lost[:26]) == (None, "it jumped: overlap 0.00 wi")


def test_another_image_size_is_another_stream(segmenter: Segmenter) -> None:
    lost = follow(segmenter, scene(0)[:96], start(segmenter, scene(0)))
    assert lost.lost == "the image's size changed from 256x192 to 256x96"


def test_what_cannot_be_followed_is_refused(segmenter: Segmenter, sam3_bundle_path: Path) -> None:
    embedding = segmenter.encode_image(scene(0))
    with pytest.raises(PromptError, match="outside the image"):
        segmenter.start_following(embedding, InteractivePrompt(points=((999, 9),)))
    with pytest.raises(ValueError, match="needs points or a box"):
        segmenter.start_following(embedding, ConceptPrompt("red"))  # type: ignore[arg-type]
    with (
        Segmenter.load(sam3_bundle_path, threads=1) as other,
        pytest.raises(ValueError, match="another segmenter"),
    ):
        other.start_following(embedding, CLICK)


def test_followed_has_a_segment_or_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        Followed(None)


def test_an_embedding_says_what_it_holds(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(scene(0))
    pixels = 3 * 96 * 128 * 4
    assert embedding.nbytes == pixels
    segmenter.ask(embedding, [CLICK])
    clicked = embedding.nbytes
    assert clicked > pixels
    segmenter.follow(embedding, CLICK, start(segmenter, scene(0)), LEAST)
    assert embedding.nbytes == clicked  # a prompt adds nothing that stays
    segmenter.ask(embedding, [ConceptPrompt("red")])
    # Both necks have run: pixel values and the trunk's features are of no more use.
    lasting = embedding.compute(
        ["fpn0", "fpn1", "fpn2", "sam_s0", "sam_s1", "sam_embed"], {}
    ).values()
    words = embedding.geometry(exemplar_feeds(ConceptPrompt("red"), embedding.transform)).values()
    assert embedding.nbytes == sum(value.nbytes for value in (*lasting, *words))


def test_memory_that_two_features_share_counts_once(segmenter: Segmenter) -> None:
    embedding = segmenter.encode_image(scene(0))
    before, shared = embedding.nbytes, np.zeros((2, 100), np.float32)
    embedding._values |= {"fpn0": shared[:1], "fpn1": shared[1:, ::2]}
    assert embedding.nbytes == before + shared.nbytes


def test_kept_texts_are_counted_with_their_bytes(
    segmenter: Segmenter, mobile_sam_bundle_path: Path
) -> None:
    assert segmenter.kept_texts == (0, 0)
    one = segmenter.encode_text("red")
    segmenter.encode_text("green")
    segmenter.encode_text("red")
    assert segmenter.kept_texts == (2, 2 * (one.features.nbytes + one.mask.nbytes))
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as clicks_only:
        assert clicks_only.kept_texts == (0, 0)


def test_a_box_far_from_the_edges_may_be_followed_too(segmenter: Segmenter) -> None:
    asked = InteractivePrompt(box=Box(20, 36, 70, 92))
    embedding = segmenter.encode_image(scene(0))
    first = segmenter.start_following(embedding, asked)
    then = segmenter.follow(segmenter.encode_image(scene(1)), asked, first, LEAST)
    assert iou(outline(then), patch_mask(HEIGHT, WIDTH, place(1))) > 0.8
