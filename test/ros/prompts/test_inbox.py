"""The inbox, with frames that nobody answers: what waits, and what is published in which order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import rclpy
from geometry_msgs.msg import Point
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_domains import own_domain
from sam3_ros.msg import ActivePrompts as ActivePromptsMessage
from sam3_ros.msg import Prompt, Prompts, PromptStatus
from sensor_msgs.msg import Image
from std_msgs.msg import Header, String

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.remarks import Remarks
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.frames.memory import FrameMemory, MemoryLimits, SeenFrame
from sam3_ros.ros.frames.queue import MOST_CLICKS, FrameQueue
from sam3_ros.ros.frames.seen import FramesSeen
from sam3_ros.ros.frames.work import Clicks, Frame
from sam3_ros.ros.prompts.active import ActivePrompts, Snapshot
from sam3_ros.ros.prompts.active_topic import ACTIVE_PROMPTS, ActivePromptsTopic
from sam3_ros.ros.prompts.entries import read_prompt_entries
from sam3_ros.ros.prompts.inbox import PromptInbox
from sam3_ros.ros.prompts.requests import PromptRequest, TopicSettings
from sam3_ros.ros.prompts.rules import PromptRules
from sam3_ros.ros.qos import LATCHED

ON_IT = [Point(x=5.0, y=5.0)]


@pytest.fixture
def node() -> Iterator[Node]:
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        made = Node("inbox", context=context)
        yield made
        made.destroy_node()
        context.try_shutdown()


class Rig:
    """An inbox with one unnamed camera, whose images at 1 s to `frames` s were seen."""

    def __init__(self, node: Node, bundle: Bundle, frames: int = 2) -> None:
        self.node = node
        cameras = Cameras.named([])
        self.prompts = ActivePrompts(cameras.names)
        memory, self.queue = FrameMemory(lambda: MemoryLimits(8, 2**20)), FrameQueue()
        for second in range(1, frames + 1):
            image = Image(height=1, width=1)
            image.header.stamp.sec = second
            memory.add(SeenFrame.of(Frame(image)))
        seen = FramesSeen(cameras, memory, self.queue, self.prompts, {})
        rules = PromptRules(
            bundle.manifest,
            cameras,
            seen,
            lambda: TopicSettings(tracking=False, seconds=1.0),
            Remarks(bundle.manifest, tokenizer_of(bundle)).on,
        )
        self.inbox = PromptInbox(node, self.prompts, rules)
        self.statuses: list[PromptStatus] = []
        node.create_subscription(PromptStatus, "~/prompt/status", self.statuses.append, 500)
        self._publishers = {
            kind: node.create_publisher(kind, topic, 10)
            for kind, topic in ((Prompts, "~/prompts"), (String, "~/prompt/text"))
        }
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(node)

    def say(self, message: Prompts | String) -> list[PromptStatus]:
        """Publish the message and return every status about it."""
        before = len(self.statuses)
        expected = max(1, len(message.prompts)) if isinstance(message, Prompts) else 1
        self._publishers[type(message)].publish(message)
        self.spin_until(lambda: len(self.statuses) > before)
        if self.statuses[before].accepted:
            self.spin_until(lambda: len(self.statuses) >= before + expected)
        return self.statuses[before:]

    def say_all(self, text: String) -> list[PromptStatus]:
        """Publish a text; return a status for each of its phrases."""
        found = self.say(text)
        self.spin_until(lambda: len(self.statuses) >= len(text.data.split(";")))
        return [*found, *self.statuses[len(found) :]]

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.01)

    def spin_until(self, done: Callable[[], object]) -> None:
        for _ in range(3000):
            if done():
                return
            self._executor.spin_once(timeout_sec=0.01)
        raise AssertionError("timed out")


def tokenizer_of(bundle: Bundle) -> ClipTokenizer:
    assert bundle.manifest.concept is not None
    return ClipTokenizer(bundle.tokenizer_file, bundle.manifest.concept.tokenizer)


@pytest.fixture
def rig(node: Node, sam3_bundle_path) -> Rig:
    return Rig(node, Bundle.open(sam3_bundle_path))


def clicks(count: int, sec: int = 0) -> Prompts:
    message = Prompts(action=Prompts.PUT)
    message.header.stamp.sec = sec
    message.prompts = [Prompt(id=f"click {n}", positive_points=ON_IT) for n in range(count)]
    return message


def test_the_clicks_of_a_message_wait_together_on_their_image(rig: Rig) -> None:
    assert all(status.accepted for status in rig.say(clicks(3)))
    assert all(status.accepted for status in rig.say(clicks(2, sec=1)))
    first, second = rig.queue.take(), rig.queue.take()
    assert isinstance(first, Clicks)
    assert isinstance(second, Clicks)
    assert (first.stamp_ns, len(first.prompts)) == (2_000_000_000, 3)
    assert (second.stamp_ns, len(second.prompts)) == (1_000_000_000, 2)


def test_what_is_pinned_is_not_asked_of_another_image(rig: Rig) -> None:
    rig.say(clicks(1, sec=1))
    assert len(rig.prompts.snapshot("", 1_000_000_000)) == 1
    assert rig.prompts.snapshot("", 3_000_000_000) == ()


def test_more_clicks_than_may_wait_are_refused_and_leave_what_was_asked(rig: Rig) -> None:
    for _ in range(MOST_CLICKS):
        assert rig.say(clicks(1))[-1].accepted
    before = rig.prompts.all()
    replacing = clicks(2)
    replacing.action = Prompts.REPLACE
    (status,) = rig.say(replacing)
    assert (status.prompt_id, status.accepted) == ("click 0", False)
    assert "'click 0': 64 clicks wait for their answers already" in status.reason
    assert rig.prompts.all() == before
    assert rig.say(String(data="red"))[-1].accepted


def test_before_the_first_image_a_click_waits_for_it(node: Node, sam3_bundle_path) -> None:
    rig = Rig(node, Bundle.open(sam3_bundle_path), frames=0)
    assert rig.say(clicks(1))[-1].accepted
    assert len(rig.prompts.snapshot("", 7)) == 1
    (status,) = rig.say(clicks(1, sec=3))
    assert "no image was seen yet" in status.reason
    assert rig.queue.clicks() == (0, None)


def test_a_status_says_which_words_the_model_does_not_know(node: Node) -> None:
    rig = Rig(node, Bundle.open("tabletop"))
    known, unknown = rig.say_all(String(data="a red cube; the blue mug"))
    assert (known.accepted, list(known.warnings)) == (True, [])
    assert (unknown.accepted, unknown.prompt_id) == (True, "the blue mug")
    (warning,) = unknown.warnings
    assert "does not know 'mug'" in warning


def test_a_status_says_what_looks_like_a_separator_and_what_negative_points_mean(rig: Rig) -> None:
    (text,) = rig.say(String(data="red, blue"))
    assert "one phrase" in text.warnings[0] and "';'" in text.warnings[0]
    (points,) = rig.say(
        Prompts(action=Prompts.PUT, prompts=[Prompt(id="n", negative_points=ON_IT)])
    )
    assert points.accepted and "negative points alone" in points.warnings[0]


def test_a_point_moved_onto_an_image_that_came_later_is_told_once(rig: Rig) -> None:
    outside = Prompt(id="p", positive_points=[Point(x=-1.0, y=5.0)])
    (accepted,) = rig.say(Prompts(action=Prompts.PUT, prompts=[outside]))
    assert (accepted.accepted, list(accepted.warnings)) == (True, [])  # no image was decoded yet
    (active,) = rig.prompts.all()
    for _ in range(2):
        rig.inbox.warn_on_image(Header(frame_id="cam"), active, "", ImageSize(240, 320))
    rig.spin_until(lambda: len(rig.statuses) > 1)
    rig.spin(0.2)
    _, told = rig.statuses
    assert (told.prompt_id, told.accepted, told.header.frame_id) == ("p", True, "cam")
    assert "(-1, 5)" in told.warnings[0] and "moved to (0, 5)" in told.warnings[0]


def test_what_the_parameter_asks_is_told_too(node: Node) -> None:
    rig = Rig(node, Bundle.open("tabletop"))
    rig.inbox.ask_parameter(read_prompt_entries(["mug; red cube", "{text: the cup}"]))
    rig.spin_until(lambda: len(rig.statuses) == 2)
    assert [status.prompt_id for status in rig.statuses] == ["mug", "the cup"]
    assert all(status.accepted and status.warnings for status in rig.statuses)


def test_a_long_list_that_changes_fast_is_published_now_and_then_and_at_its_end(rig: Rig) -> None:
    lists: list[ActivePromptsMessage] = []
    rig.node.create_subscription(ActivePromptsMessage, ACTIVE_PROMPTS, lists.append, LATCHED)
    rig.spin_until(lambda: lists)
    for number in range(200):
        rig.prompts.put([PromptRequest(ConceptPrompt(f"thing {number}"))])
    rig.spin_until(lambda: len(lists[-1].prompts) == 200)
    rig.prompts.replace_all([])
    rig.spin_until(lambda: not lists[-1].prompts)


class PausingPrompts(ActivePrompts):
    """Prompts whose next all() after arming reads the list, then pauses before it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.armed, self.read, self.go_on = False, threading.Event(), threading.Event()

    def all(self) -> Snapshot:
        listed = super().all()
        if self.armed:
            self.armed = False
            self.read.set()
            self.go_on.wait()
        return listed


def test_the_newest_list_is_published_last_when_two_threads_change_it(node: Node) -> None:
    prompts = PausingPrompts()
    topic = ActivePromptsTopic(node, prompts)

    def ask(word: str) -> threading.Thread:
        request = PromptRequest(ConceptPrompt(word))
        thread = threading.Thread(target=prompts.replace_all, args=([request],))
        thread.start()
        return thread

    prompts.armed = True
    first = ask("red")
    prompts.read.wait()
    second = ask("blue")
    second.join(0.5)  # it would get ahead if it could
    prompts.go_on.set()
    first.join()
    second.join()
    assert latched_list(node) == ["blue"]
    topic.destroy()
    prompts.replace_all([])  # it is no longer published, and nothing breaks


def latched_list(node: Node) -> list[str]:
    seen: list[ActivePromptsMessage] = []
    node.create_subscription(ActivePromptsMessage, ACTIVE_PROMPTS, seen.append, LATCHED)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while not seen:
        executor.spin_once(timeout_sec=0.1)
    return [active.prompt.id for active in seen[-1].prompts]
