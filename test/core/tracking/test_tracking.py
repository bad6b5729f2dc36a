"""Segmenter.track() with real sessions: each kind of bundle, and what objects are to others."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_sessions import Outputs, Recorder
from scenes import Corners, colour_scene, iou, patch_mask
from tracked import kinds, of_id, same_answer, states

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import BundleError, InferenceError, PromptError
from sam3_ros.core.segmenter.interactive import InteractiveAnswers
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.reprompting import FollowsByReprompting, LastSeen
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings

HEIGHT, WIDTH = 192, 256
LEFT: Corners = (24, 40, 64, 88)
RIGHT: Corners = (170, 90, 220, 130)
BLUE: Corners = (30, 120, 70, 170)
CLICK = InteractivePrompt(points=((190, 110),), id="right")
EVERY = TrackingSettings(redetect_every=1)


def moved(corners: Corners, x: int) -> Corners:
    left, top, right, bottom = corners
    return left + x, top, right + x, bottom


def scene(x: int = 0, *, left: bool = True) -> np.ndarray:
    """Return two red patches and a blue one, moved to the right by x px."""
    red = [moved(each, x) for each in (LEFT, RIGHT)[not left :]]
    return colour_scene(HEIGHT, WIDTH, {"red": red, "blue": moved(BLUE, x)})


def mask(corners: Corners) -> np.ndarray:
    return patch_mask(HEIGHT, WIDTH, corners)


@pytest.fixture(scope="module")
def segmenter(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    with Segmenter.load(sam3_bundle_path, threads=1) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def texts_alone(sam3_bundle_path: Path) -> Iterator[Segmenter]:
    """Load a bundle that takes no clicks."""
    bundle = Bundle.open(sam3_bundle_path)
    without = replace(bundle, manifest=replace(bundle.manifest, interactive=None))
    with Segmenter.load(without, threads=1, open_session=Recorder()) as loaded:
        yield loaded


@pytest.mark.parametrize("which", ["segmenter", "texts_alone"])
def test_the_objects_of_a_text_keep_their_ids(request: pytest.FixtureRequest, which: str) -> None:
    segmenter: Segmenter = request.getfixturevalue(which)
    tracking = segmenter.track(TrackingSettings(redetect_every=2))
    first = tracking.add(segmenter.encode_image(scene()), "red")
    assert states(first) == {1: "tentative", 2: "tentative"}
    places = {each.track.id: (LEFT, RIGHT)[each.box.x_min > 100] for each in first if each.track}
    for step in range(1, 6):
        frame = tracking.step(segmenter.encode_image(scene(4 * step)))
        assert len(frame) == 2
        for number, place in places.items():
            assert iou(of_id(frame, number).mask, mask(moved(place, 4 * step))) > 0.8
    assert states(frame) == {1: "confirmed", 2: "confirmed"}


def test_between_detections_the_detector_does_not_run(sam3_bundle_path: Path) -> None:
    recorder = Recorder()
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as segmenter:
        tracking = segmenter.track(TrackingSettings(redetect_every=3))
        tracking.add(segmenter.encode_image(scene()), "red")
        searched = []
        for step in range(1, 7):
            recorder.runs.clear()
            tracking.step(segmenter.encode_image(scene(step)))
            searched.append("decoder" in recorder.stages)
            assert recorder.stages.count("mask_decoder") == 2
    assert searched == [False, False, True] * 2


def answers(
    segmenter: Segmenter, change: Callable[[TrackingSession, int, np.ndarray], None]
) -> list[list[tuple[str, float, bytes]]]:
    """Track two objects by text and click while `change` does something to others; return them."""
    tracking = segmenter.track(EVERY)
    tracking.add(segmenter.encode_image(scene()), "red")
    tracking.add(segmenter.encode_image(scene()), CLICK)
    found = []
    for step in range(1, 6):
        change(tracking, step, scene(4 * step))
        frame = tracking.step(segmenter.encode_image(scene(4 * step)))
        ours = [each for each in frame if each.track and each.track.id in (1, 2, 3)]
        found.append([(repr(each), each.score, each.mask.tobytes()) for each in ours])
    return found


def test_what_happens_to_one_object_changes_no_bit_of_the_others(segmenter: Segmenter) -> None:
    def nothing(tracking: TrackingSession, step: int, image: np.ndarray) -> None:
        pass

    def others(tracking: TrackingSession, step: int, image: np.ndarray) -> None:
        """Add, correct and remove other objects, the earlier ones among them."""
        embedding = segmenter.encode_image(image)
        if step == 1:
            tracking.add(embedding, "blue")
            tracking.add(embedding, MaskPrompt(mask(moved(BLUE, 4)), id="a mask"))
        elif step == 2:
            corrected = InteractivePrompt(points=((60, 150),))
            assert len(tracking.correct(5, embedding, corrected)) == 1
        elif step == 3:
            tracking.remove(5)
        elif step == 4:
            tracking.remove_prompt("blue")

    alone, among_others = answers(segmenter, nothing), answers(segmenter, others)
    assert [len(each) for each in alone] == [3] * 5
    assert alone == among_others


def test_a_failed_step_leaves_the_session_as_it_was(sam3_bundle_path: Path) -> None:
    broken = [False]

    def may_fail(outputs: Outputs) -> Outputs:
        if broken[0]:
            raise InferenceError("out of memory")
        return outputs

    recorder = Recorder({"scoring": may_fail})
    with Segmenter.load(sam3_bundle_path, threads=1, open_session=recorder) as segmenter:
        tracking, other = segmenter.track(EVERY), segmenter.track(EVERY)
        for each in (tracking, other):
            each.add(segmenter.encode_image(scene()), "red")
        broken[0] = True
        with pytest.raises(InferenceError):
            tracking.step(segmenter.encode_image(scene(4)))
        broken[0] = False
        image = segmenter.encode_image(scene(8))
        again, expected = tracking.step(image), other.step(image)
    assert again.events == expected.events
    assert all(same_answer(*pair) for pair in zip(again, expected, strict=True))


def test_a_session_goes_on_from_a_file(segmenter: Segmenter) -> None:
    tracking = segmenter.track(EVERY)
    tracking.add(segmenter.encode_image(scene()), "red")
    tracking.add(segmenter.encode_image(scene()), CLICK)
    tracking.step(segmenter.encode_image(scene(4)))
    file = io.BytesIO()
    np.savez(file, **tracking.saved())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        other = segmenter.track(EVERY, saved=dict(arrays))
    for step in range(2, 4):
        image = segmenter.encode_image(scene(4 * step))
        one, two = tracking.step(image), other.step(image)
        assert [each.track for each in one] == [each.track for each in two]
        assert all(same_answer(*pair) for pair in zip(one, two, strict=True))


def test_a_session_of_another_bundle_is_refused(
    segmenter: Segmenter, mobile_sam_bundle_path: Path
) -> None:
    with (
        Segmenter.load(mobile_sam_bundle_path, threads=1) as other,
        pytest.raises(
            BundleError, match=r"was saved with the bundle colours .*, and this is mobile"
        ),
    ):
        other.track(saved=segmenter.track().saved())


def test_a_mask_is_tracked(segmenter: Segmenter, mobile_sam_bundle_path: Path) -> None:
    """By a model that takes a mask prompt, and by one that takes none."""
    with Segmenter.load(mobile_sam_bundle_path, threads=1) as without:
        for each in (segmenter, without):
            tracking = each.track()
            first = tracking.add(each.encode_image(scene()), MaskPrompt(mask(RIGHT)))
            np.testing.assert_array_equal(first[0].mask, mask(RIGHT))
            for step in range(1, 4):
                frame = tracking.step(each.encode_image(scene(6 * step)))
                assert iou(frame[0].mask, mask(moved(RIGHT, 6 * step))) > 0.8


def test_a_correction_moves_an_object(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    image = segmenter.encode_image(scene())
    tracking.add(image, CLICK)
    frame = tracking.correct(1, image, InteractivePrompt(box=of_id(tracking.step(image), 1).box))
    assert (states(frame), frame.events) == ({1: "confirmed"}, ())
    assert iou(frame[0].mask, mask(RIGHT)) > 0.8


def test_an_object_that_leaves_and_comes_back_to_its_place_has_its_id(
    segmenter: Segmenter,
) -> None:
    tracking = segmenter.track(EVERY)
    tracking.add(segmenter.encode_image(scene()), "red")
    first = tracking.step(segmenter.encode_image(scene()))
    gone = next(each.track.id for each in first if each.track and each.box.x_min < 100)
    hidden = tracking.step(segmenter.encode_image(scene(left=False)))
    assert kinds(hidden.events) == [("occluded", gone)]
    assert not of_id(hidden, gone).mask.any()
    back = tracking.step(segmenter.encode_image(scene()))
    assert kinds(back.events) == [("found", gone)]
    assert iou(of_id(back, gone).mask, mask(LEFT)) > 0.8


def test_what_a_bundle_cannot_track_is_refused(
    texts_alone: Segmenter, segmenter: Segmenter
) -> None:
    tracking = texts_alone.track()
    image = texts_alone.encode_image(scene())
    for shown in (CLICK, MaskPrompt(mask(LEFT))):
        with pytest.raises(PromptError, match="answers only text"):
            tracking.add(image, shown)
    with pytest.raises(ValueError, match="another segmenter"):
        segmenter.track().step(image)
    with pytest.raises(PromptError, match="outside the image"):
        segmenter.track().add(
            segmenter.encode_image(scene()), InteractivePrompt(points=((999, 9),))
        )


def test_selecting_points_choose_what_is_tracked(segmenter: Segmenter) -> None:
    tracking = segmenter.track(EVERY)
    prompt = ConceptPrompt("red", points=((190, 110),))
    first = tracking.add(segmenter.encode_image(scene()), prompt)
    assert states(first) == {1: "confirmed"}
    frame = tracking.step(segmenter.encode_image(scene(4)))
    assert states(frame) == {1: "confirmed"}
    assert iou(frame[0].mask, mask(moved(RIGHT, 4))) > 0.8


def test_masks_live_as_long_as_their_answer(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(scene()), CLICK)
    image = segmenter.encode_image(scene(4))
    frame = tracking.step(image)
    before, kept = frame[0].mask.copy(), weakref.ref(frame[0].mask)
    del frame
    gc.collect()
    assert kept() is None
    np.testing.assert_array_equal(tracking.step(image)[0].mask, before)


def test_memory_ends_with_the_objects(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    image = segmenter.encode_image(scene())
    tracking.add(image, CLICK)
    one = tracking.nbytes
    assert 0 < one < 100_000
    tracking.add(image, "red")
    assert tracking.nbytes > one
    tracking.remove_prompt("red")
    assert tracking.nbytes == one
    tracking.remove(1)
    assert tracking.nbytes == 0


def test_what_is_counted_of_an_object_is_all_that_it_holds(segmenter: Segmenter) -> None:
    settings = segmenter.bundle.manifest.interactive
    assert settings is not None
    follower = FollowsByReprompting(InteractiveAnswers(settings, CallTimings()), 0.5)
    state = follower.start(segmenter.encode_image(scene()), 0, CLICK).state
    assert isinstance(state, LastSeen)
    assert state.mask_logits is not None
    assert state.mask_logits.base is None  # not a part of all that the model offered
    assert not np.shares_memory(follower.saved(state)["mask_logits"], state.mask_logits)
