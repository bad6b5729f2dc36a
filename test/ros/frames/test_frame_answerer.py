"""What is asked of a frame, and what is computed for it, with a real model and real topics."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from recording_sessions import Change, Recorder
from ros_domains import own_domain
from sam3_ros.msg import SegmentScores
from scenes import colour_scene
from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError, InferenceError, PromptError
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.ros.answers.outputs import Outputs
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.answerer import FrameAnswerer, FrameTools
from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError
from sam3_ros.ros.frames.memory import FrameMemory, MemoryLimits
from sam3_ros.ros.frames.work import Clicks, Frame
from sam3_ros.ros.images.conversion import choose_converter
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.parameters.configuration import configuration
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts
from sam3_ros.ros.prompts.requests import PromptRequest, Source

SCENE = colour_scene(96, 128, {"red": (10, 10, 40, 40)})
SECOND = 1_000_000_000
ON_RED, ELSEWHERE = ((20.0, 20.0),), ((500.0, 20.0),)


def frame(stamp: int) -> Frame:
    header = Header(frame_id="camera")
    header.stamp.sec = stamp
    return Frame(image_message(SCENE, "rgb8", header))


def wait_for(done) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


class Bench:
    """An answerer that is told by hand what to do."""

    def __init__(self, node: Node, recorder: Recorder, segmenter: Segmenter) -> None:
        self.recorder = recorder
        self.prompts, self.activity = ActivePrompts(), Activity()
        self.activity.switch(True)
        self.memory = FrameMemory(lambda: MemoryLimits(3, 10**9))
        self.refused: list[tuple[Header, str, str]] = []
        settings = configuration({})
        self.outputs = Outputs(node, Camera(), lambda: settings, self.prompts.all, 0.5)
        self.answerer = FrameAnswerer(
            FrameTools(
                segmenter=segmenter,
                converter=choose_converter().converter,
                prompts=self.prompts,
                memory=self.memory,
                outputs={"": self.outputs},
                activity=self.activity,
                configuration=lambda: settings,
                refuse=self.refuse,
                logger=node.get_logger(),
            )
        )

    def refuse(self, header: Header, camera: str, active: ActivePrompt, reason: str) -> None:
        assert camera == ""
        self.refused.append((header, active.prompt.id, reason))

    def pinned(self, stamp: int, points=ON_RED, frames: int = 1, prompt_id: str = "point"):
        prompt = InteractivePrompt(points=points, id=prompt_id)
        request = PromptRequest(prompt, frames=frames, pins={"": stamp * SECOND})
        (active,), _ = self.prompts.replace(Source.POINT, None, [request])
        return Clicks("", stamp * SECOND, (active,), time.monotonic())

    def told(self, stamp: int) -> list[str]:
        """Ids of what the frame was asked."""
        return [active.prompt.id for active in self.memory.find("", stamp * SECOND).answers]

    def stages(self) -> list[str]:
        """Those that ran since this was called last."""
        ran = self.recorder.stages
        self.recorder.runs.clear()
        return ran


@pytest.fixture
def bench(sam3_bundle_path) -> Iterator[Bench]:
    recorder, context = Recorder(), Context()
    with (
        own_domain() as domain,
        Segmenter.load(sam3_bundle_path, open_session=recorder) as segmenter,
    ):
        rclpy.init(context=context, domain_id=domain)
        node = Node("bench", context=context)
        node.create_subscription(SegmentScores, "~/scores", lambda _: None, 1)
        bench = Bench(node, recorder, segmenter)
        wait_for(bench.outputs.listened_to)
        yield bench
        node.destroy_node()
        context.try_shutdown()


def test_a_click_is_not_asked_of_another_frame_than_the_one_it_was_placed_on(bench):
    bench.prompts.replace(Source.TEXT, None, [PromptRequest(ConceptPrompt("red"))])
    bench.answerer.answer(frame(1))
    clicks = bench.pinned(1)
    bench.answerer.answer(frame(2))
    assert bench.told(2) == ["red"]
    assert bench.answerer.answer_clicks(clicks) == 1
    assert bench.told(1) == ["red", "point"]
    bench.answerer.answer(frame(3))
    assert bench.told(3) == ["red"]


def test_a_click_is_not_told_beside_what_its_frame_was_asked_by_another_label(bench):
    bench.prompts.put([PromptRequest(ConceptPrompt("red", id="target"))])
    bench.answerer.answer(frame(1))
    bench.prompts.put([PromptRequest(ConceptPrompt("red", id="target"))])
    bench.answerer.answer_clicks(bench.pinned(1))
    assert bench.told(1) == ["target", "point"]
    bench.prompts.put([PromptRequest(ConceptPrompt("blue", id="target"))])
    bench.answerer.answer_clicks(bench.pinned(1))
    assert bench.told(1) == ["point"]


def test_an_image_is_encoded_once(bench):
    bench.prompts.replace(Source.TEXT, None, [PromptRequest(ConceptPrompt("red"))])
    bench.answerer.answer(frame(1))
    assert {"image_trunk", "detector_neck"} <= set(bench.stages())
    decoded = ["prompt_encoder", "mask_decoder"]
    for expected in (["tracker_neck", *decoded], decoded):
        assert bench.answerer.answer_clicks(bench.pinned(1)) == 1
        assert sorted(bench.stages()) == sorted(expected)


def test_a_click_that_its_frame_has_answered_by_itself_is_done(bench):
    clicks = bench.pinned(1, frames=2)
    bench.answerer.answer(frame(1))
    assert bench.told(1) == ["point"]
    bench.stages()
    assert bench.answerer.answer_clicks(clicks) == 0
    assert bench.stages() == []
    assert not bench.refused


def test_a_click_that_cannot_be_answered_falls_alone(bench):
    bench.answerer.answer(frame(1))
    bad = bench.pinned(1, ELSEWHERE, prompt_id="bad")
    request = PromptRequest(InteractivePrompt(points=ON_RED, id="good"), pins={"": SECOND})
    good, _ = bench.prompts.put([request])
    clicks = Clicks("", SECOND, (*bad.prompts, *good), time.monotonic())
    assert bench.answerer.answer_clicks(clicks) == 1
    ((header, prompt_id, reason),) = bench.refused
    assert (header.stamp.sec, header.frame_id, prompt_id) == (1, "camera", "bad")
    assert "outside the image" in reason
    assert bench.told(1) == ["good"]
    assert bench.prompts.all() == good


def fails_from(run: int) -> Change:
    """A stage that raises in that run, from 0, and all later ones."""
    runs = count()

    def change(outputs: dict) -> dict:
        if next(runs) >= run:
            raise InferenceError("out of order")
        return outputs

    return change


def test_a_click_on_a_frame_that_then_fails_is_still_waited_for(bench):
    clicks = bench.pinned(1)
    bench.prompts.put([PromptRequest(ConceptPrompt("red"))])
    bench.recorder.opened["text"].change = fails_from(0)
    with pytest.raises(InferenceError):
        bench.answerer.answer(frame(1))
    assert "mask_decoder" in bench.stages()
    assert bench.answerer.answer_clicks(clicks) == 1
    assert bench.told(1) == ["point"]


def test_clicks_whose_answer_fails_are_all_given_up(bench):
    bench.answerer.answer(frame(1))
    one = bench.pinned(1, prompt_id="one")
    request = PromptRequest(InteractivePrompt(points=ON_RED, id="two"), pins={"": SECOND})
    two, _ = bench.prompts.put([request])
    clicks = Clicks("", SECOND, (*one.prompts, *two), time.monotonic())
    bench.recorder.opened["mask_decoder"].change = fails_from(1)
    with pytest.raises(InferenceError):
        bench.answerer.answer_clicks(clicks)
    bench.answerer.give_up(clicks, "it could not be answered")
    assert [prompt_id for _, prompt_id, _ in bench.refused] == ["one", "two"]
    assert bench.prompts.all() == ()


def test_clicks_on_one_frame_do_not_pile_up(bench):
    """As on the last image of a camera that stands still: each answer has a mask of its own."""
    bench.prompts.put([PromptRequest(ConceptPrompt("red"))])
    bench.answerer.answer(frame(1))
    for number in range(4):
        assert bench.answerer.answer_clicks(bench.pinned(1, frames=number % 2)) == 1
        assert bench.told(1) == ["red", "point"]
    for number in range(4):
        assert bench.answerer.answer_clicks(bench.pinned(1, prompt_id=f"click {number}")) == 1
        assert bench.told(1) == ["red", f"click {number}"]


def test_a_click_whose_frame_is_gone_is_given_up_with_its_stamp(bench):
    clicks = bench.pinned(7)
    with pytest.raises(PromptError, match=r"7.000000000 s is no longer kept"):
        bench.answerer.answer_clicks(clicks)
    bench.answerer.give_up(clicks, "no longer kept")
    assert [(h.stamp.sec, prompt_id) for h, prompt_id, _ in bench.refused] == [(7, "point")]
    assert bench.prompts.all() == ()
    bench.answerer.give_up(clicks, "again")  # it is asked no longer
    assert len(bench.refused) == 1


def sticky(bench: Bench, prompt_id: str = "it") -> ActivePrompt:
    request = PromptRequest(InteractivePrompt(points=ON_RED, id=prompt_id), sticky=True)
    (active,), _ = bench.prompts.put([request])
    return active


def test_nothing_is_followed_to_where_the_clock_jumped_back(bench):
    it = sticky(bench)
    bench.answerer.answer(frame(8))
    bench.answerer.answer(frame(9))
    assert bench.told(9) == ["it"]
    waiting = sticky(bench, "waiting")
    bench.answerer.answer(frame(2))
    ((header, prompt_id, reason),) = bench.refused
    assert (header.stamp.sec, prompt_id) == (2, "it")
    assert reason == "no longer followed: the clock jumped back in between: click again"
    assert it not in bench.prompts.all()
    assert bench.told(2) == [waiting.prompt.id]  # it had not been found before


def test_nothing_is_followed_from_before_the_node_was_inactive(bench):
    sticky(bench)
    bench.answerer.answer(frame(1))
    bench.activity.switch(False)
    bench.memory.clear()
    bench.activity.switch(True)
    bench.answerer.answer(frame(2))
    ((header, prompt_id, reason),) = bench.refused
    assert (header.stamp.sec, prompt_id) == (2, "it")
    assert reason == "no longer followed: the node was inactive in between: click again"
    assert bench.prompts.all() == ()
    sticky(bench)
    for stamp in (3, 4):
        bench.answerer.answer(frame(stamp))
        assert bench.told(stamp) == ["it"]


def test_a_frame_of_before_the_node_was_inactive_is_not_followed_on(bench):
    late = frame(1)
    bench.activity.switch(False)
    sticky(bench)
    bench.activity.switch(True)
    with pytest.raises(FrameDroppedError):
        bench.answerer.answer(late)
    bench.answerer.answer(frame(2))
    assert [reason for _, _, reason in bench.refused] == [
        "no longer followed: the node was inactive in between: click again"
    ]


def test_what_was_cleared_before_the_gap_is_not_told(bench):
    sticky(bench)
    bench.answerer.answer(frame(5))
    bench.prompts.replace_all([])
    bench.answerer.answer(frame(1))
    assert bench.refused == []


def test_what_became_of_a_frame_decides_what_is_kept_of_it(bench):
    broken = image_message(SCENE, "rgb8", frame(1).header)
    broken.encoding = "32FC1"
    with pytest.raises(ImageError):
        bench.answerer.answer(Frame(broken))
    assert bench.memory.size() == (0, 0)

    late = frame(2)
    bench.activity.switch(False)
    bench.activity.switch(True)
    with pytest.raises(FrameDroppedError, match=DropReason.NOT_ACTIVE.value):
        bench.answerer.answer(late)
    assert bench.memory.size() == (0, 0)

    bench.prompts.replace(Source.TEXT, None, [PromptRequest(ConceptPrompt("red"))])
    bench.answerer.answer(frame(3))
    assert bench.memory.size()[0] == 1
    bench.answerer.make_room()
    assert bench.memory.size() == (0, 0)
