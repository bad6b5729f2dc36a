"""Prompts of two cameras by every topic: one node for this file, asked for coloured patches."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from geometry_msgs.msg import Point, PointStamped
from node_client import NODE, NodeClient
from node_under_test import NodeProcess, running_node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sam3_ros.msg import ActivePrompts, Prompt, Prompts, PromptStatus, Segments
from scenes import colour_scene, iou, patch_mask
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.core.geometry import ImageSize
from sam3_ros.ros.answers.segments import mask_of
from sam3_ros.ros.images.messages import image_message

HEIGHT, WIDTH = 96, 128
RED, BLUE = (10, 10, 40, 40), (80, 16, 116, 60)
SCENE = colour_scene(HEIGHT, WIDTH, {"red": RED, "blue": BLUE})
# The same two things, elsewhere.
SCENE_OF_LEFT = colour_scene(HEIGHT, WIDTH, {"red": BLUE, "blue": RED})
GOOD = 0.9
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
SECOND = 1_000_000_000


class TwoCameras:
    """The cameras front and left, and all that the node publishes about their prompts."""

    def __init__(self, process: NodeProcess, client: NodeClient) -> None:
        self.process, self.client = process, client
        self.lists: list[ActivePrompts] = client.collect(
            ActivePrompts, f"{NODE}/active_prompts", LATCHED
        )
        self.segments: dict[str, list[Segments]] = {
            name: client.collect(Segments, f"{NODE}/{name}/segments") for name in ("front", "left")
        }
        self.seconds = 1000

    def see(self, camera: str, frame_id: str = "", seconds: int = 0) -> Segments:
        """Send images of a camera until one is answered; return the answer."""
        scene = SCENE if camera == "front" else SCENE_OF_LEFT
        sent: list[Header] = []

        def answered() -> Segments | None:
            return next((m for m in self.segments[camera] if m.header in sent), None)

        def sent_and_answered() -> Segments | None:
            sent.append(self._send(camera, scene, frame_id or f"{camera}_optical", seconds))
            for _ in range(20):
                self.client.executor.spin_once(timeout_sec=0.05)
                if answered() is not None:
                    break
            return answered()

        return self.client.spin_until(sent_and_answered, f"an answer of {camera}")

    def _send(self, camera: str, scene: np.ndarray, frame_id: str, seconds: int) -> Header:
        self.seconds += 1
        message: Image = image_message(scene, "rgb8")
        message.header.frame_id = frame_id
        message.header.stamp.sec = seconds or self.seconds
        message.header.stamp.nanosec = 5
        self.client.publish(f"/{camera}/image", message)
        return message.header

    def say(self, topic: str, message: object) -> list[PromptStatus]:
        """Publish a prompt; return every status about it."""
        before = len(self.client.statuses)
        self.client.publish(f"{NODE}/{topic}", message)
        return self.client.statuses_since(before)

    def set(self, *prompts: Prompt, action: int = Prompts.PUT, sec: int = 0) -> list[PromptStatus]:
        message = Prompts(action=action, prompts=list(prompts))
        message.header.stamp.sec, message.header.stamp.nanosec = sec, 5 if sec else 0
        return self.say("prompts", message)

    def listed(self, *ids: str) -> ActivePrompts:
        """Wait until exactly these prompts are active; return their list."""
        return self.client.spin_until(
            lambda: self.lists[-1:] and ids_of(self.lists[-1]) == list(ids) and self.lists[-1],
            f"the list {ids}",
        )

    def answer_to(self, camera: str, prompt_id: str, begin: int) -> Segments:
        def found() -> Segments | None:
            for message in self.segments[camera][begin:]:
                if prompt_id in answered_ids(message):
                    return message
            return None

        return self.client.spin_until(found, f"an answer of {camera} to {prompt_id}")


def ids_of(listed: ActivePrompts) -> list[str]:
    return [active.prompt.id for active in listed.prompts]


def answered_ids(message: Segments) -> set[str]:
    return {segment.score.prompt_id for segment in message.segments}


def overlap(message: Segments, prompt_id: str, corners: tuple[int, int, int, int]) -> float:
    (segment,) = (s for s in message.segments if s.score.prompt_id == prompt_id)
    mask = mask_of(segment, ImageSize(HEIGHT, WIDTH))
    return iou(mask, patch_mask(HEIGHT, WIDTH, corners))


def point(x: float, y: float, frame_id: str = "", sec: int = 0) -> PointStamped:
    message = PointStamped(header=Header(frame_id=frame_id))
    message.header.stamp.sec, message.header.stamp.nanosec = sec, 5 if sec else 0
    message.point.x, message.point.y = x, y
    return message


def told(statuses: list[PromptStatus]) -> list[tuple[str, str, bool]]:
    return [(status.prompt_id, status.camera, status.accepted) for status in statuses]


ON_RED = [Point(x=25.5, y=25.5)]
ON_BLUE = [Point(x=100.0, y=40.0)]


@pytest.fixture(scope="module")
def both_of_one_node(tmp_path_factory, sam3_bundle_path) -> Iterator[TwoCameras]:
    folder = tmp_path_factory.mktemp("node")
    with running_node(folder, bundle=sam3_bundle_path, cameras="[front, left]", frame_memory=3) as (
        process,
        client,
    ):
        both = TwoCameras(process, client)
        both.see("front")
        both.see("left")
        yield both


@pytest.fixture
def both(both_of_one_node: TwoCameras) -> Iterator[TwoCameras]:
    both_of_one_node.set(action=Prompts.REPLACE)
    yield both_of_one_node
    both_of_one_node.client.set_parameters(click_seconds=0.001, tracking=False)


def test_prompts_come_and_go_one_by_one(both):
    assert told(both.set(Prompt(id="a", text="red"))) == [("a", "", True)]
    assert told(both.set(Prompt(id="b", text="blue", camera="left"))) == [("b", "left", True)]
    listed = both.listed("a", "b")
    assert [(p.label_value, p.source, p.prompt.camera) for p in listed.prompts] == [
        (1, "~/prompts", ""),
        (2, "~/prompts", "left"),
    ]
    assert answered_ids(both.see("front")) == {"a"}
    assert answered_ids(both.see("left")) == {"a", "b"}
    assert told(both.set(Prompt(id="a"), action=Prompts.REMOVE)) == [("a", "", True)]
    both.listed("b")
    assert answered_ids(both.see("front")) == set()
    assert answered_ids(both.see("left")) == {"b"}


def test_the_list_is_there_for_whoever_comes_late(both):
    both.set(Prompt(id="a", text="red", label="it", frames=1000))
    late = both.client.collect(ActivePrompts, f"{NODE}/active_prompts", LATCHED)
    both.client.spin_until(lambda: late, "the list")
    (active,) = late[-1].prompts
    assert (active.prompt.id, active.prompt.label, active.prompt.text) == ("a", "it", "red")
    assert (active.prompt.frames, active.label_value) == (1000, 1)
    assert late[-1].header.stamp.sec > 0


def test_a_refusal_changes_nothing(both):
    both.set(Prompt(id="a", text="red"))
    wrong = Prompt(id="x")
    for prompts, action, named, reason in (
        (
            [Prompt(id="b", text="blue"), wrong],
            Prompts.PUT,
            "x",
            "'x': an interactive prompt needs",
        ),
        ([Prompt(id="b", text="blue"), wrong], Prompts.REPLACE, "x", "one point, got neither"),
        ([Prompt(id="a"), wrong], Prompts.REMOVE, "x", "in use, got 'x'"),
        ([Prompt(id="a", camera="left")], Prompts.REMOVE, "a", "of the camera 'left', got 'a'"),
        ([], Prompts.PUT, "", "at least one prompt with this action, got none"),
        ([], Prompts.REMOVE, "", "REPLACE with none clears everything"),
        ([Prompt(id="b", text="blue")], 7, "", "REPLACE (0), PUT (1) or REMOVE (2), got 7"),
        ([Prompt(id="b", text="blue", camera="up")], Prompts.PUT, "b", "there is no camera 'up'"),
        (
            [Prompt(id="b", text=t) for t in ("c", "d")],
            Prompts.PUT,
            "b",
            "different ids, got 'b'",
        ),
    ):
        (status,) = both.set(*prompts, action=action)
        assert (status.prompt_id, status.accepted) == (named, False)
        assert reason in status.reason
    assert answered_ids(both.see("front")) == {"a"}
    both.listed("a")


def test_a_text_of_one_camera_beside_those_of_all(both):
    both.say("prompt/text", String(data="red"))
    assert told(both.say("front/prompt/text", String(data="blue"))) == [("blue", "front", True)]
    assert both.listed("red", "blue").prompts[1].source == "~/front/prompt/text"
    assert answered_ids(both.see("front")) == {"red", "blue"}
    assert answered_ids(both.see("left")) == {"red"}
    assert told(both.say("front/prompt/text", String())) == [("", "front", True)]
    assert answered_ids(both.see("front")) == {"red"}


def test_a_text_that_a_set_replaces_is_reported(both):
    both.say("prompt/text", String(data="red; blue"))
    statuses = both.set(Prompt(id="red", text="object"))
    assert told(statuses) == [("red", "", False), ("red", "", True)]
    assert "'red' of ~/prompt/text gave way" in statuses[0].reason
    assert "from ~/prompts" in statuses[0].reason
    both.listed("red", "blue")


def test_a_cameras_own_prompt_hides_that_of_every_camera(both):
    both.set(Prompt(id="it", text="red"), Prompt(id="it", text="blue", camera="front"))
    assert overlap(both.see("front"), "it", BLUE) > GOOD
    assert overlap(both.see("left"), "it", BLUE) > GOOD  # there it is red
    both.set(Prompt(id="it", camera="front"), action=Prompts.REMOVE)
    assert overlap(both.see("front"), "it", RED) > GOOD
    both.set(Prompt(id="it"), action=Prompts.REMOVE)
    both.listed()


def test_a_click_by_a_cameras_own_topic_is_answered_at_once(both):
    seen = both.see("left").header
    begin = len(both.segments["left"])
    assert told(both.say("left/prompt/point", point(25.5, 25.5))) == [("point", "left", True)]
    answer = both.answer_to("left", "point", begin)
    assert answer.header == seen
    assert overlap(answer, "point", RED) > GOOD
    both.see("left")  # its time is over
    both.listed()


@pytest.mark.parametrize("by", ["name", "frame_id", "stamp"])
def test_a_click_finds_its_camera(both, by):
    both.see("left")
    seen = both.see("front").header
    message = {
        "name": point(25.5, 25.5, frame_id="front"),
        "frame_id": point(25.5, 25.5, frame_id="front_optical"),
        "stamp": point(25.5, 25.5, frame_id="map", sec=seen.stamp.sec),
    }[by]
    begin = len(both.segments["front"])
    assert told(both.say("prompt/point", message)) == [("point", "front", True)]
    assert both.answer_to("front", "point", begin).header == seen


def test_a_click_or_box_that_could_be_of_several_cameras_is_refused(both):
    (status,) = both.say("prompt/point", point(25.5, 25.5))
    assert (status.prompt_id, status.accepted) == ("point", False)
    assert "send it to a camera's own topic, such as ~/front/prompt/point" in status.reason
    box = RegionOfInterest(x_offset=76, y_offset=12, width=44, height=52)
    (status,) = both.say("prompt/box", box)
    assert (status.prompt_id, status.accepted) == ("box", False)
    assert "~/front/prompt/box" in status.reason
    begin = len(both.segments["front"])
    assert told(both.say("front/prompt/box", box)) == [("box", "front", True)]
    assert overlap(both.answer_to("front", "box", begin), "box", BLUE) > GOOD


def test_positions_of_a_set_belong_to_the_camera_with_an_image_of_that_stamp(both):
    older = both.see("left").header
    both.see("left")
    both.see("front")
    begin = len(both.segments["left"])
    prompts = (Prompt(id="one", positive_points=ON_RED), Prompt(id="two", positive_points=ON_BLUE))
    keep = [Prompt(id=p.id, positive_points=p.positive_points, frames=2) for p in prompts]
    assert told(both.set(*keep, sec=older.stamp.sec)) == [
        ("one", "left", True),
        ("two", "left", True),
    ]
    answer = both.answer_to("left", "one", begin)
    assert answer.header == older
    assert answered_ids(answer) == {"one", "two"}
    both.listed("one", "two")
    assert answered_ids(both.see("front")) == set()
    assert answered_ids(both.see("left")) == {"one", "two"}
    both.listed()


def test_an_image_that_several_cameras_have_needs_the_camera_named(both):
    both.seconds += 10
    shared = both.seconds
    both.see("front", seconds=shared)
    both.see("left", seconds=shared)
    (status,) = both.set(Prompt(positive_points=ON_RED, frames=1), sec=shared)
    assert "one that images of front and left have: name the camera too" in status.reason
    begin = len(both.segments["left"])
    named = Prompt(positive_points=ON_RED, frames=1, camera="left")
    assert told(both.set(named, sec=shared)) == [("point", "left", True)]
    assert both.answer_to("left", "point", begin).header.stamp.sec == shared


def test_a_set_without_a_stamp_is_answered_at_once_on_every_camera(both):
    seen = {name: both.see(name).header for name in ("front", "left")}
    begins = {name: len(both.segments[name]) for name in seen}
    assert told(both.set(Prompt(id="it", positive_points=ON_RED, frames=1))) == [("it", "", True)]
    for name, header in seen.items():
        answer = both.answer_to(name, "it", begins[name])
        assert answer.header == header
        assert overlap(answer, "it", RED) > GOOD
    both.listed()


def test_an_image_that_is_not_kept_is_refused(both):
    for _ in range(4):
        last = both.see("front").header.stamp.sec
    both.set(Prompt(id="a", text="red"))
    (status,) = both.say("front/prompt/point", point(25.5, 25.5, sec=900))
    assert told([status]) == [("point", "front", False)]
    assert "'point': the image of 900.000000005 s is too old" in status.reason
    (status,) = both.set(Prompt(id="x", positive_points=ON_RED, camera="front"), sec=last + 900)
    assert told([status]) == [("x", "front", False)]
    assert "was never seen" in status.reason
    (status,) = both.set(Prompt(id="x", positive_points=ON_RED), sec=last + 900)
    assert "front: an image" in status.reason
    assert "left: an image" in status.reason
    both.listed("a")


def test_a_tracked_click_is_followed_until_its_object_is_gone(both):
    both.client.set_parameters(tracking=True)
    both.see("front")
    begin = len(both.segments["front"])
    both.say("front/prompt/point", point(25.5, 25.5))
    both.answer_to("front", "point", begin)
    assert both.listed("point").prompts[0].prompt.tracking
    assert overlap(both.see("front"), "point", RED) > GOOD
    before = len(both.client.statuses)
    begin = len(both.segments["front"])
    empty = colour_scene(HEIGHT, WIDTH, {})

    def lost() -> bool:
        both._send("front", empty, "front_optical", 0)
        both.client.executor.spin_once(timeout_sec=0.2)
        return len(both.client.statuses) > before

    both.client.spin_until(lost, "the loss")
    status = both.client.statuses[before]
    assert told([status]) == [("point", "front", False)]
    assert "no longer tracked" in status.reason
    assert status.header.frame_id == "front_optical"
    both.listed()


def test_the_parameter_asks_as_the_text_topic_does(both):
    both.say("front/prompt/text", String(data="blue"))
    both.say("prompt/text", String(data="red"))
    assert both.client.set_parameters(prompts=["object"]).successful
    assert both.listed("blue", "object").prompts[1].source == "~/prompt/text"
    result = both.client.set_parameters(prompts=["x" * 2000])
    assert not result.successful
    assert "at most 1000 characters" in result.reason
    many = [f"thing {n}" for n in range(254)]
    result = both.client.set_parameters(prompts=many)
    assert not result.successful
    assert "at most 254 prompts at a time" in result.reason
    both.listed("blue", "object")


def test_a_flood_is_survived_and_does_not_fill_the_log(both):
    lines_before = both.process.log.count("prompt not asked")
    before, begin = len(both.client.statuses), time.monotonic()
    for number in range(2000):
        good = number % 2 == 1
        prompt = Prompt(id=f"flood {number}", text="red" if good else "")
        both.client.publish(f"{NODE}/prompts", Prompts(prompts=[prompt]))
        if number % 10 == 0:
            both.client.executor.spin_once(timeout_sec=0.0)
    statuses = both.client.statuses
    both.client.spin_until(lambda: statuses[-1].prompt_id == "flood 1999", "the last of the flood")
    numbers = [int(status.prompt_id.split()[1]) for status in statuses[before:]]
    assert numbers == sorted(set(numbers))
    assert [s.accepted for s in statuses[before:]] == [number % 2 == 1 for number in numbers]
    both.listed("flood 1999")
    assert answered_ids(both.see("front")) == {"flood 1999"}
    # One every five seconds, on a machine that may be slow.
    most = 2 + (time.monotonic() - begin) / 5
    assert both.process.log.count("prompt not asked") - lines_before <= most
