"""A session over a bundle with video stages: its objects are followed by memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tracked import kinds, states
from video_model import VideoModel, scene

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.errors import InferenceError
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.session import TrackingSession
from sam3_ros.core.tracking.settings import TrackingSettings

FIRST = InteractivePrompt(points=((20, 20),), id="first")
SECOND = InteractivePrompt(points=((70, 40),), id="second")


@pytest.fixture
def model() -> VideoModel:
    return VideoModel()


@pytest.fixture
def segmenter(model: VideoModel) -> Segmenter:
    return Segmenter(Bundle(Path(), model.manifest), lambda stage: model.sessions[stage.name])


def test_an_object_that_is_hidden_comes_back_with_its_id(
    model: VideoModel, segmenter: Segmenter
) -> None:
    # What this model makes of past frames without an object is of no use: its mask is never empty.
    model.sessions["decoder"].changes = lambda outputs: {
        **outputs,
        "sam_masks": np.abs(outputs["sam_masks"]),
    }
    settings = TrackingSettings(occluded_frames=2, lost_frames=4)
    tracking = segmenter.track(settings)
    tracking.add(segmenter.encode_image(scene(0)), FIRST)
    assert states(tracking.step(segmenter.encode_image(scene(1)))) == {1: "confirmed"}
    assert len(model.feeds_of("memory_attention")) == 1
    found = [
        tracking.step(segmenter.encode_image(scene(number, dark=dark)))
        for number, dark in enumerate([True, True, True, False, *[True] * 5], 2)
    ]
    happened = [kinds(frame.events) for frame in found]
    assert happened == [
        [("occluded", 1)],
        [],
        [("lost", 1)],
        [("found", 1)],
        [("occluded", 1)],
        [],
        [("lost", 1)],
        [],
        [("ended", 1)],
    ]
    assert not found[0][0].mask.any()
    assert (found[-1], tracking.tracks, tracking.nbytes) == ([], (), 0)


def masks_of_first(
    segmenter: Segmenter, change: Callable[[TrackingSession, int], None]
) -> list[tuple[float, bytes]]:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(scene(0)), FIRST)
    found = []
    for number in range(1, 8):
        change(tracking, number)
        answer = tracking.step(segmenter.encode_image(scene(number, dark=number == 4)))[0]
        found.append((answer.score, answer.mask.tobytes()))
    return found


def test_what_happens_to_one_object_changes_no_bit_of_the_others(segmenter: Segmenter) -> None:
    def others(tracking: TrackingSession, number: int) -> None:
        before = segmenter.encode_image(scene(number - 1))
        if number == 2:
            tracking.add(before, SECOND)
            mask = np.zeros((60, 90), np.bool_)
            mask[10:40, 20:60] = True
            tracking.add(before, MaskPrompt(mask))
        elif number == 3:
            tracking.correct(2, before, InteractivePrompt(points=((60, 30),)))
        elif number == 6:
            tracking.remove(2)

    alone = masks_of_first(segmenter, lambda tracking, number: None)  # noqa: ARG005
    assert alone == masks_of_first(segmenter, others)
    assert len({mask for _, mask in alone}) > 3


def test_that_nothing_is_asked_is_encoded_once() -> None:
    mask = np.zeros((240, 320), np.bool_)
    mask[100:140, 150:200] = True
    image = np.zeros((240, 320, 3), np.uint8)
    image[mask] = 200, 0, 0
    with Segmenter.load("tabletop", threads=1) as tabletop:
        tracking = tabletop.track()
        tracking.add(tabletop.encode_image(image), MaskPrompt(mask))
        ran = [tracking.step(tabletop.encode_image(image)).timings.keys() for _ in range(3)]
    assert ["prompt_encoder" in stages for stages in ran] == [True, False, False]
    assert all("mask_decoder" in stages for stages in ran)


def test_a_failed_image_can_be_tried_again(model: VideoModel, segmenter: Segmenter) -> None:
    tracking, other = segmenter.track(), segmenter.track()
    for each in (tracking, other):
        each.add(segmenter.encode_image(scene(0)), FIRST)
        each.step(segmenter.encode_image(scene(1)))
    model.sessions["memory_encoder"].fails = InferenceError("out of memory")
    with pytest.raises(InferenceError):
        tracking.step(segmenter.encode_image(scene(2)))
    model.sessions["memory_encoder"].fails = None
    again, expected = (each.step(segmenter.encode_image(scene(2))) for each in (tracking, other))
    assert again[0].track == expected[0].track
    np.testing.assert_array_equal(again[0].mask, expected[0].mask)


def test_a_session_goes_on_from_arrays_and_with_fewer_memories(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(scene(0)), FIRST)
    for number in range(1, 5):
        tracking.step(segmenter.encode_image(scene(number)))
    other = segmenter.track(saved=tracking.saved())
    assert other.nbytes == tracking.nbytes
    one, two = (each.step(segmenter.encode_image(scene(5))) for each in (tracking, other))
    assert (one[0].track, one[0].score) == (two[0].track, two[0].score)
    np.testing.assert_array_equal(one[0].mask, two[0].mask)
    before = tracking.nbytes
    tracking.settings = TrackingSettings(memory_frames=1)
    tracking.step(segmenter.encode_image(scene(6)))
    assert tracking.nbytes < before


def test_memory_is_bounded(segmenter: Segmenter) -> None:
    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(scene(0)), FIRST)
    held = []
    for number in range(1, 41):
        image = segmenter.encode_image(scene(number))
        tracking.step(image)
        if number % 4 == 0:
            tracking.correct(1, image, FIRST)
        held.append(tracking.nbytes)
    assert max(held[20:]) == max(held[30:])
