"""What frames and clicks are answered with, and what is computed for it, in a whole pipeline."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from recording_sessions import Change, Outputs
from sam3_ros.msg import Prompt
from small_pipeline import SCENE, click, concept

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.segmenter.segments import TrackState
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.frames.queue import CLICKS_IN_A_ROW
from sam3_ros.ros.frames.tracks_report import TracksReport
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.stamps import nanoseconds

ELSEWHERE = (500.0, 20.0)
INACTIVE = "no longer tracked: the node was inactive in between: click again"
JUMPED_BACK = "no longer tracked: the clock jumped back in between: click again"


def fails_from(run: int, error: Exception) -> Change:
    """Return a change that raises in the stage's run of that index, from 0, and in later runs."""
    runs = count()

    def change(outputs: Outputs) -> Outputs:
        if next(runs) >= run:
            raise error
        return outputs

    return change


def test_a_click_is_not_asked_of_another_frame_than_the_one_it_was_placed_on(pipeline):
    pipeline.ask(concept("red"))
    clicks = CLICKS_IN_A_ROW + 1
    stamps = range(1, clicks + 1)
    for stamp in stamps:
        pipeline.show(stamp)
    with pipeline.held(20):
        pipeline.send(21)
        for stamp in stamps:
            pipeline.ask(click(f"click {stamp}", frames=1), stamp=stamp)
        pipeline.wait_for(lambda: pipeline.report().clicks_waiting == clicks, "the clicks")
    for stamp in stamps:
        assert pipeline.answer(stamp, 2) == [f"click {stamp}", "red"]
    # It had its turn after some of the clicks, and before the last of them.
    assert pipeline.answers()[-2:] == [21, stamps[-1]]
    assert pipeline.answer(20) == pipeline.answer(21) == pipeline.show(22) == ["red"]


def test_a_click_is_not_published_beside_what_its_frame_was_asked_by_another_label(pipeline):
    pipeline.ask(concept("red", "target"))
    pipeline.show(1)
    pipeline.ask(concept("red", "target"))
    pipeline.ask(click("click", frames=1), stamp=1)
    assert pipeline.answer(1, 2) == ["click", "target"]
    pipeline.ask(concept("blue", "target"))
    pipeline.ask(click("click", frames=1), stamp=1)
    assert pipeline.answer(1, 3) == ["click"]


def test_an_image_is_encoded_once(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(1)
    assert {"image_trunk", "detector_neck"} <= set(pipeline.stages())
    decoded = ["prompt_encoder", "mask_decoder"]
    for number, expected in enumerate((["tracker_neck", *decoded], decoded), start=2):
        pipeline.ask(click("click", frames=1), stamp=1)
        pipeline.answer(1, number)
        assert sorted(pipeline.stages()) == sorted(expected)


def test_a_click_that_its_frame_has_answered_by_itself_is_done(pipeline):
    pipeline.ask(concept("red"))
    with pipeline.held(1):
        pipeline.send(2)
        pipeline.ask(click("click", frames=2), stamp=2)
    assert pipeline.answer(2) == ["click", "red"]
    pipeline.settled()
    assert pipeline.show(3) == ["click", "red"]
    assert pipeline.show(4) == ["red"]
    assert pipeline.answers() == [1, 2, 3, 4]
    assert pipeline.stages().count("mask_decoder") == 2
    assert not pipeline.refused


def test_a_click_that_cannot_be_answered_is_refused_alone(pipeline):
    """The size of the image is not known yet: nobody listened, so it was not decoded."""
    pipeline.set(outputs=("overlay",))
    before = pipeline.dropped().get(DropReason.NOBODY_LISTENS, 0)
    pipeline.camera.send(1, SCENE)
    pipeline.wait_for(
        lambda: pipeline.dropped().get(DropReason.NOBODY_LISTENS, 0) > before, "the drop"
    )
    pipeline.set(outputs=("mask", "scores", "debug/timing"))
    pipeline.ask(click("bad", ELSEWHERE), click("good"), stamp=1)
    assert pipeline.answer(1) == ["good"]
    ((header, prompt_id, reason),) = pipeline.wait_for(lambda: pipeline.refused, "a refusal")
    assert (header.stamp.sec, header.frame_id) == (1, pipeline.camera.frame_id)
    assert prompt_id == "bad"
    assert "outside the image" in reason
    assert pipeline.report().prompts == ("good",)


def test_a_click_on_a_frame_that_then_fails_is_still_waited_for(pipeline):
    pipeline.ask(concept("red"))
    failed = pipeline.dropped().get(DropReason.INFERENCE_FAILED, 0)
    with pipeline.held(1):
        pipeline.send(2)
        pipeline.ask(click("click"), stamp=2)
        pipeline.ask(concept("blue"))
        pipeline.change("decoder", fails_from(2, InferenceError("out of order")))
        pipeline.stages()
    assert pipeline.answer(2) == ["click"]
    assert pipeline.stages().count("mask_decoder") == 2
    assert pipeline.dropped()[DropReason.INFERENCE_FAILED] == failed + 1
    assert not pipeline.refused


def test_clicks_whose_answer_fails_are_all_given_up(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(1)
    pipeline.change("mask_decoder", fails_from(1, InferenceError("out of order")))
    pipeline.ask(click("one"), click("two"), stamp=1)
    refused = pipeline.wait_for(lambda: len(pipeline.refused) == 2 and pipeline.refused, "both")
    assert [prompt_id for _, prompt_id, _ in refused] == ["one", "two"]
    assert all("it could not be answered: " in reason for _, _, reason in refused)
    assert pipeline.report().prompts == ("red",)


def test_clicks_on_one_frame_do_not_pile_up(pipeline):
    """Clicks on the last image of a camera that stopped: each answer has a mask of its own."""
    pipeline.ask(concept("red"))
    pipeline.show(1)
    for number in range(4):
        pipeline.set(click_seconds=1.0 + number % 2)
        assert pipeline.camera.click(20.0, 20.0, 1).accepted
        assert pipeline.answer(1, 2 + number) == ["point", "red"]
    pipeline.clear()
    pipeline.ask(concept("red"))
    for number in range(4):
        pipeline.ask(click(f"click {number}", frames=1), stamp=1)
        assert pipeline.answer(1, 6 + number) == [f"click {number}", "red"]


def fails_once(run: int, error: Exception) -> Change:
    """Return a change that raises in the stage's run of that index alone, from 0."""
    runs = count()

    def change(outputs: Outputs) -> Outputs:
        if next(runs) == run:
            raise error
        return outputs

    return change


def tracks(pipeline) -> dict[tuple[str, int], int]:
    """Return the age of each object of the last answer, by prompt and track id."""
    found = pipeline.camera.scores[-1].segments
    return {(s.prompt_id, s.track_id): s.track_age for s in found if s.track_id}


MILLISECONDS = [(0, 33, 30, 66, 99), (33, 0, 99, 66, 165, 132), (0, 33, 33, 66), (500, 0, 999)]


@pytest.mark.parametrize("offsets_ms", MILLISECONDS, ids=str)
def test_stamps_in_disorder_are_no_jump_of_the_clock(pipeline, offsets_ms):
    """The object is followed on, and each frame is kept for clicks."""
    pipeline.show(10)
    pipeline.ask(click("it", tracking=True))
    assert pipeline.answer(10, 2) == ["it"]
    stamps = [11_000 + offset for offset in offsets_ms]
    for stamp in stamps:
        answered = len(pipeline.camera.scores)
        pipeline.send(stamp / 1000)
        pipeline.wait_for(lambda count=answered: len(pipeline.camera.scores) > count, "it")
        assert [s.prompt_id for s in pipeline.camera.scores[-1].segments] == ["it"]
    assert not pipeline.refused
    for stamp in dict.fromkeys(stamps):
        answered = len(pipeline.camera.scores)
        assert pipeline.camera.click(20.0, 20.0, stamp / 1000).accepted
        pipeline.wait_for(lambda count=answered: len(pipeline.camera.scores) > count, "the click")
        assert nanoseconds(pipeline.camera.scores[-1].header.stamp) == stamp * 10**6
    assert not pipeline.refused


def test_a_click_lasts_by_the_stamps_of_the_frames(pipeline):
    pipeline.show(1)
    assert pipeline.camera.click(20.0, 20.0).accepted
    assert pipeline.answer(1, 2) == ["point"]
    for stamp, expected in ((1.5, ["point"]), (1.4, ["point"]), (1.99, ["point"]), (2.0, [])):
        answered = len(pipeline.camera.scores)
        pipeline.send(stamp)
        pipeline.wait_for(lambda count=answered: len(pipeline.camera.scores) > count, "an answer")
        assert [s.prompt_id for s in pipeline.camera.scores[-1].segments] == expected
    assert pipeline.report().prompts == ()
    assert not pipeline.refused


def test_a_click_whose_frame_is_gone_is_given_up_with_its_stamp(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(1)
    with pipeline.held(2):
        pipeline.ask(click("click"), stamp=1)
        pipeline.wait_for(lambda: pipeline.report().clicks_waiting, "the click")
        pipeline.set(frame_memory=1)
    ((header, prompt_id, reason),) = pipeline.wait_for(lambda: pipeline.refused, "a refusal")
    assert (header.stamp.sec, prompt_id) == (1, "click")
    assert "1.000000000 s is no longer kept" in reason
    assert pipeline.report().prompts == ("red",)


def test_a_click_that_was_cleared_while_it_waited_is_not_refused(pipeline):
    pipeline.ask(concept("red"))
    pipeline.show(1)
    with pipeline.held(2):
        pipeline.ask(click("click"), stamp=1)
        pipeline.wait_for(lambda: pipeline.report().clicks_waiting, "the click")
        pipeline.clear()
        pipeline.set(frame_memory=1)
    pipeline.settled()
    assert pipeline.show(3) == []
    assert not pipeline.refused


def test_nothing_is_followed_to_where_the_clock_jumped_back(pipeline):
    pipeline.ask(click("it", tracking=True))
    assert pipeline.show(8) == ["it"]
    with pipeline.held(9):
        pipeline.send(2)
        pipeline.ask(click("waiting", tracking=True), stamp=2)
    assert pipeline.answer(9) == ["it"]
    assert pipeline.answer(2) == ["waiting"]  # it had not been found before
    ((header, prompt_id, reason),) = pipeline.wait_for(lambda: pipeline.refused, "a refusal")
    assert (header.stamp.sec, prompt_id, reason) == (2, "it", JUMPED_BACK)
    assert pipeline.report().prompts == ("waiting",)


def test_nothing_is_followed_from_before_the_node_was_inactive(pipeline):
    pipeline.ask(click("it", tracking=True))
    assert pipeline.show(1) == ["it"]
    pipeline.deactivate()
    pipeline.activate()
    assert pipeline.show(2) == []
    ((header, prompt_id, reason),) = pipeline.wait_for(lambda: pipeline.refused, "a refusal")
    assert (header.stamp.sec, prompt_id, reason) == (2, "it", INACTIVE)
    assert pipeline.report().prompts == ()
    pipeline.ask(click("it", tracking=True))
    assert pipeline.show(3) == pipeline.show(4) == ["it"]


def test_an_object_is_not_followed_on_from_a_frame_before_the_node_was_inactive(pipeline):
    before = pipeline.dropped().get(DropReason.NOT_ACTIVE, 0)
    pipeline.ask(click("it", tracking=True))
    with pipeline.held(1, "mask_decoder"):
        pipeline.deactivate()
        pipeline.activate()
    pipeline.settled()
    assert pipeline.dropped()[DropReason.NOT_ACTIVE] == before + 1
    assert pipeline.report().kept_frames == 0
    assert pipeline.show(2) == []
    assert [reason for _, _, reason in pipeline.refused] == [INACTIVE]


def test_tracks_of_an_image_that_failed_are_found_in_the_next(pipeline):
    pipeline.ask(click("it", tracking=True), Prompt(id="all", text="red", tracking=True))
    assert pipeline.show(1) == ["all", "it"]
    ids = tracks(pipeline)
    failed = pipeline.dropped().get(DropReason.INFERENCE_FAILED, 0)
    pipeline.change("mask_decoder", fails_from(1, InferenceError("out of order")))
    pipeline.send(2)
    pipeline.wait_for(
        lambda: pipeline.dropped().get(DropReason.INFERENCE_FAILED, 0) > failed, "the failure"
    )
    pipeline.change("mask_decoder", lambda outputs: outputs)
    assert pipeline.show(3) == ["all", "it"]
    assert tracks(pipeline) == {key: age + 1 for key, age in ids.items()}
    assert not pipeline.refused


def test_what_begins_on_an_image_that_fails_is_answered_on_it_later(pipeline):
    pipeline.ask(concept("red"))
    failed = pipeline.dropped().get(DropReason.INFERENCE_FAILED, 0)
    with pipeline.held(1):
        pipeline.send(2)
        pipeline.ask(
            click("one", tracking=True), click("two", (21.0, 21.0), tracking=True), stamp=2
        )
        pipeline.change("mask_decoder", fails_once(1, InferenceError("out of order")))
    assert pipeline.answer(2) == ["one", "two"]
    assert pipeline.dropped()[DropReason.INFERENCE_FAILED] == failed + 1
    ids = tracks(pipeline)
    assert pipeline.show(3) == ["one", "red", "two"]
    assert tracks(pipeline).keys() >= ids.keys()
    assert pipeline.report().cameras[""].tracks.states == {TrackState.CONFIRMED: 2}
    assert not pipeline.refused


def test_what_is_no_longer_asked_is_freed_without_another_image(pipeline):
    def tracked() -> TracksReport:
        return pipeline.report().cameras[""].tracks

    pipeline.ask(Prompt(id="all", text="red", tracking=True))
    pipeline.show(1)
    before = tracked()
    assert before.nbytes > 0
    pipeline.clear()
    pipeline.wait_for(lambda: not tracked().nbytes, "free memory")
    pipeline.ask(Prompt(id="all", text="red", tracking=True))
    pipeline.show(2)
    assert tracked().given == before.given + 1
    pipeline.deactivate()
    pipeline.wait_for(lambda: not tracked().nbytes, "free memory")
    pipeline.activate()
    assert pipeline.show(3) == ["all"]
    assert not pipeline.refused


def test_what_was_cleared_before_the_gap_is_not_refused(pipeline):
    pipeline.ask(click("it", tracking=True))
    pipeline.show(5)
    pipeline.clear()
    assert pipeline.show(1) == []
    assert not pipeline.refused


def test_what_became_of_a_frame_decides_what_is_kept_of_it(pipeline):
    pipeline.ask(concept("red"))
    broken = image_message(SCENE, "rgb8", pipeline.camera.header(1))
    broken.encoding = "32FC1"
    before = pipeline.dropped().get(DropReason.UNDECODABLE, 0)
    pipeline.client.publish("/image", broken)
    pipeline.wait_for(
        lambda: pipeline.dropped().get(DropReason.UNDECODABLE, 0) > before, "the broken image"
    )
    pipeline.settled()
    assert pipeline.report().kept_frames == 0

    pipeline.show(3)
    assert pipeline.report().kept_frames == 1
    pipeline.change("decoder", fails_from(0, MemoryError()))
    pipeline.send(4)
    pipeline.settled()
    assert DropReason.OUT_OF_MEMORY in pipeline.dropped()
    assert pipeline.report().kept_frames == 0


def test_ten_bits_in_sixteen_are_told_and_found_with_the_bit_depth_set(pipeline):
    pipeline.ask(concept("red"))

    def show(stamp: int) -> list[str]:
        low = np.rint(SCENE.astype(float) * (1023 / 255)).astype(np.uint16)
        image = image_message(low, "rgb16", pipeline.camera.header(stamp))
        pipeline.client.publish("/image", image)
        return pipeline.answer(stamp)

    assert show(1) == []
    pipeline.settled()
    assert "10 bits in 16" in pipeline.report().cameras[""].image_finding
    pipeline.set(bit_depth=10)
    try:
        assert show(2) == ["red"]
        pipeline.settled()
        assert pipeline.report().cameras[""].image_finding == ""
    finally:
        pipeline.set(bit_depth=0)
