"""An object followed by prompting again, and dropped when it cannot be the same one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recording_sessions import Change, Outputs, Recorder
from scenes import Corners, colour_scene, iou, patch_mask

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.place import Place
from sam3_ros.core.tracking.reprompting import LARGEST_LOGIT, LastSeen
from sam3_ros.core.tracking.session import TrackingSession

HEIGHT, WIDTH = 192, 256
CLICK = InteractivePrompt(points=((40, 60),), id="it", label="the patch")
PLACE = (24, 40, 64, 88)
EMPTY = colour_scene(HEIGHT, WIDTH, {})


def place(x: int) -> Corners:
    """Return the corners of the patch after it has moved to the right by x px."""
    left, top, right, bottom = PLACE
    return left + x, top, right + x, bottom


def scene(*patches: Corners) -> np.ndarray:
    return colour_scene(HEIGHT, WIDTH, {"red": list(patches)})


FIRST = scene(PLACE)


@pytest.fixture
def segmenter(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        yield loaded


@pytest.fixture
def without_mask(mobile_sam_bundle_path: Path) -> Iterator[Segmenter]:
    """Load a segmenter whose model takes no mask prompt."""
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as loaded:
        yield loaded


@pytest.fixture(params=["segmenter", "without_mask"])
def either(request: pytest.FixtureRequest) -> Segmenter:
    """Return a segmenter whose model takes a mask prompt, then one whose model takes none."""
    segmenter: Segmenter = request.getfixturevalue(request.param)
    return segmenter


def start(segmenter: Segmenter, image: np.ndarray = FIRST) -> TrackingSession:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(image), CLICK)
    return tracking


def tracked_through(segmenter: Segmenter, *images: np.ndarray) -> TrackedFrame:
    """Track the object from FIRST through these images and return the last answer."""
    tracking = start(segmenter)
    return [tracking.step(segmenter.encode_image(image)) for image in images][-1]


def overlap(found: TrackedFrame, corners: Corners) -> float:
    assert len(found) == 1, found.events
    return iou(found[0].mask, patch_mask(HEIGHT, WIDTH, corners))


def loss(frame: TrackedFrame) -> str:
    """Return why the object is not found any more."""
    assert not frame
    (event,) = frame.events
    assert event.kind == "ended"
    prefix, suffix = "no longer found: ", "; show it again"
    assert event.reason.startswith(prefix)
    assert event.reason.endswith(suffix)
    return event.reason[len(prefix) : -len(suffix)]


def with_decoder(bundle: Path, change: Change) -> Segmenter:
    """Load a segmenter whose mask decoder has its outputs changed."""
    return Segmenter.load(bundle, threads=1, open_session=Recorder({"mask_decoder": change}))


def test_the_first_answer_is_that_of_asking(segmenter: Segmenter) -> None:
    (asked,) = segmenter.segment(FIRST, CLICK)
    (first,) = segmenter.track().add(segmenter.encode_image(FIRST), CLICK)
    np.testing.assert_array_equal(first.mask, asked.mask)
    assert (first.prompt_id, first.label, first.score) == ("it", "the patch", asked.score)


def test_an_object_that_moves_is_followed_far_from_the_click(either: Segmenter) -> None:
    tracking = start(either)
    for number in range(1, 8):  # soon the object has left the point that was clicked
        frame = tracking.step(either.encode_image(scene(place(8 * number))))
        assert overlap(frame, place(8 * number)) > 0.8, number
    assert (frame[0].prompt_id, frame[0].label) == ("it", "the patch")


def test_an_object_is_looked_for_where_its_pace_takes_it(segmenter: Segmenter) -> None:
    """At the last step the middle of the old place holds nothing any more."""
    last = tracked_through(segmenter, scene(place(15)), scene(place(44)))
    assert overlap(last, place(44)) > 0.8


def test_an_object_that_was_boxed_is_followed_too(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(FIRST), InteractivePrompt(box=Box(20, 36, 70, 92)))
    assert overlap(tracking.step(segmenter.encode_image(scene(place(8)))), place(8)) > 0.8


def test_a_model_without_mask_prompt_does_not_take_in_an_object_alike(
    without_mask: Segmenter,
) -> None:
    """A click alone means both patches to this model."""
    both = scene(place(8), (24, 120, 64, 168))
    (clicked,) = without_mask.segment(both, CLICK)
    assert iou(clicked.mask, patch_mask(HEIGHT, WIDTH, place(8))) < 0.6
    assert overlap(tracked_through(without_mask, both), place(8)) > 0.8


def test_large_logits_do_not_hold_the_answer_to_the_old_outline(sam3_bundle_path: Path) -> None:
    def loud(outputs: Outputs) -> Outputs:
        return {**outputs, "masks": outputs["masks"] * 20}

    with with_decoder(sam3_bundle_path, loud) as segmenter:
        last = tracked_through(segmenter, *(scene(place(12 * n)) for n in range(1, 5)))
    assert overlap(last, place(48)) > 0.8


def test_a_model_that_takes_a_mask_is_given_the_last_one_at_its_own_size(
    sam3_bundle_path: Path,
) -> None:
    recorder = Recorder()
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as segmenter:
        tracked_through(segmenter, FIRST)
    fed = recorder.fed("prompt_encoder")
    assert fed["has_mask"].tolist() == [1]
    assert fed["mask_input"].shape == (1, 1, 24, 32)
    assert np.abs(fed["mask_input"]).max() <= LARGEST_LOGIT
    assert iou(fed["mask_input"][0, 0] > 0, patch_mask(HEIGHT, WIDTH, PLACE)[4::8, 4::8]) > 0.9


def test_a_model_without_mask_prompt_is_given_a_box_with_a_margin(
    mobile_sam_bundle_path: Path,
) -> None:
    recorder = Recorder()
    with Segmenter.load(mobile_sam_bundle_path, threads=1, open_session=recorder) as segmenter:
        tracked_through(segmenter, FIRST)
    fed = [feeds for _, feeds in recorder.runs if "coords" in feeds][-1]
    assert fed["labels"].tolist() == [[2, 3, 1]]
    first, second, inside = fed["coords"][0]  # prompt space is source px: both 256 wide
    assert first == pytest.approx((22, 37.6), abs=2)
    assert second == pytest.approx((66, 90.4), abs=2)
    assert inside == pytest.approx((44, 64), abs=8)


def test_following_runs_the_image_stages_once(segmenter: Segmenter) -> None:
    tracking = start(segmenter)
    tracking.add(segmenter.encode_image(FIRST), CLICK)
    followed = tracking.step(segmenter.encode_image(scene(place(8))))
    image = {"image_trunk", "tracker_neck"}
    assert followed.timings.keys() == image | {"prompt_encoder", "mask_decoder", "postprocess"}
    assert followed.object_seconds.keys() == {1, 2}


def test_nothing_under_the_click_is_refused(segmenter: Segmenter) -> None:
    frame = segmenter.track().add(segmenter.encode_image(EMPTY), CLICK)
    (event,) = frame.events
    assert (len(frame), event.kind, event.track_id) == (0, "refused", 0)
    assert event.reason == "the model sees no object there"


def test_an_object_that_is_gone_is_lost(segmenter: Segmenter) -> None:
    assert loss(tracked_through(segmenter, EMPTY)) == "the model sees no object there"


def test_an_empty_mask_is_a_loss(sam3_bundle_path: Path) -> None:
    answers = iter([1.0, 0.0])

    def empty_later(outputs: Outputs) -> Outputs:
        full = next(answers)
        return {**outputs, "masks": outputs["masks"] * full - 9 * (1 - full)}

    with with_decoder(sam3_bundle_path, empty_later) as segmenter:
        assert loss(tracked_through(segmenter, FIRST)) == "the model's mask is empty"


def test_a_score_that_falls_is_a_loss_with_its_numbers(sam3_bundle_path: Path) -> None:
    scores = iter([1.0, 0.4])

    def paler(outputs: Outputs) -> Outputs:
        return {**outputs, "iou": outputs["iou"] * next(scores)}

    with with_decoder(sam3_bundle_path, paler) as segmenter:
        assert loss(tracked_through(segmenter, FIRST)) == "its score fell to 0.39 (least 0.50)"


def test_an_answer_elsewhere_is_a_loss(sam3_bundle_path: Path) -> None:
    later = iter([False, True])

    def elsewhere(outputs: Outputs) -> Outputs:
        if next(later):
            outputs["masks"] = np.full_like(outputs["masks"], -9)
            outputs["masks"][..., 30:40, 40:60] = 9
        return outputs

    with with_decoder(sam3_bundle_path, elsewhere) as segmenter:
        why = loss(tracked_through(segmenter, FIRST))
    assert why.startswith("it jumped: overlap 0.00 with where it was or should be")


def test_an_object_of_another_size_is_a_loss(segmenter: Segmenter) -> None:
    assert loss(tracked_through(segmenter, scene((4, 20, 108, 120)))).startswith(
        "its size jumped from "
    )


def test_an_object_that_leaves_the_view_is_lost_at_the_edge(segmenter: Segmenter) -> None:
    tracking, x = start(segmenter), 0
    while tracking.tracks:
        x -= 4
        left, top, right, bottom = place(x)
        image = scene((max(left, 0), top, right, bottom))
        frame = tracking.step(segmenter.encode_image(image))
    assert loss(frame).startswith("it is leaving the view: ")
    assert 0 < place(x)[2] < 12


# Where an object is expected, and what is too far from it: exact, without a model.

ROWS, COLUMNS = 96, 128


def at(corners: Corners) -> Place:
    found = Place.of_mask(patch_mask(ROWS, COLUMNS, corners))
    assert found is not None
    return found


def logits(corners: Corners) -> np.ndarray:
    """Return mask logits at a quarter of the image size."""
    small = patch_mask(ROWS, COLUMNS, corners)[2::4, 2::4]
    return np.where(small, 5, -5).astype(np.float32)


def seen(*places: Corners) -> LastSeen:
    """Return what is known of an object seen at these places in successive images."""
    last = LastSeen.first(at(places[0]), logits(places[0]))
    for corners in places[1:]:
        last = last.then(at(corners), logits(corners))
    return last


def objection(found: Corners, *places: Corners) -> str:
    last = seen(*places)
    return last.objection(last.expected()[0], at(found))


def test_after_one_image_it_is_expected_where_it_is() -> None:
    expected, its_logits = seen((20, 20, 40, 40)).expected()
    np.testing.assert_array_equal(expected.whole(), patch_mask(ROWS, COLUMNS, (20, 20, 40, 40)))
    assert its_logits is not None
    np.testing.assert_array_equal(its_logits, logits((20, 20, 40, 40)))


def test_it_is_expected_to_keep_its_pace() -> None:
    expected, its_logits = seen((20, 20, 40, 40), (32, 16, 52, 36)).expected()
    there = (44, 12, 64, 32)
    assert iou(expected.whole(), patch_mask(ROWS, COLUMNS, there)) == 1
    assert its_logits is not None
    assert iou(its_logits > 0, logits(there) > 0) == 1
    assert its_logits[:, :3].max() < -5  # what comes in from outside is surely not the object


def test_it_is_not_expected_outside_of_the_view() -> None:
    expected, its_logits = seen((60, 20, 80, 40), (108, 20, 128, 40)).expected()
    np.testing.assert_array_equal(expected.whole(), patch_mask(ROWS, COLUMNS, (108, 20, 128, 40)))
    assert its_logits is not None
    np.testing.assert_array_equal(its_logits, logits((108, 20, 128, 40)))


def test_what_moved_and_grew_a_little_is_the_object() -> None:
    assert objection((24, 22, 46, 44), (20, 20, 40, 40)) == ""


def test_either_the_last_place_or_the_expected_one_will_do() -> None:
    """What moved may go on, or stop."""
    moved = (20, 20, 40, 40), (60, 20, 80, 40)
    assert objection((100, 20, 120, 40), *moved) == ""
    assert objection((60, 20, 80, 40), *moved) == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((60, 60, 80, 80), "it jumped: overlap 0.00 with where it was or should be (least 0.1)"),
        ((37, 20, 57, 40), "it jumped: overlap 0.08 with where it was or should be (least 0.1)"),
        ((10, 10, 50, 50), "its size jumped from 400 to 1600 px (at most 3 times)"),
        ((25, 25, 35, 35), "its size jumped from 400 to 100 px (at most 3 times)"),
    ],
)
def test_an_objection_has_its_numbers(found: Corners, why: str) -> None:
    assert objection(found, (20, 20, 40, 40)) == why


@pytest.mark.parametrize("edge", [(0, 20, 9, 40), (0, 20, 9, 36)])
def test_what_is_cut_by_the_edge_is_leaving_once_little_is_left(edge: Corners) -> None:
    before = (0, 20, 40, 40), (0, 20, 25, 40), (0, 20, 15, 40)
    share = 20 * 9 / 800 if edge[3] == 40 else 16 * 9 / 800
    expected = f"it is leaving the view: {share:.0%} of its largest mask is left at the edge"
    assert objection(edge, *before) == expected


def test_what_is_small_within_the_view_is_only_far_away() -> None:
    before = (40, 20, 80, 40), (44, 22, 69, 40), (45, 24, 60, 40)
    assert objection((46, 26, 57, 40), *before) == ""
