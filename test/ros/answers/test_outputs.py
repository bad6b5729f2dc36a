"""Which messages are made, with real publishers and subscribers in one process."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_domains import own_domain
from sam3_ros.msg import FrameTiming, SegmentScores
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers import messages
from sam3_ros.ros.answers.messages import Answer
from sam3_ros.ros.answers.outputs import Outputs
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.parameters.configuration import configuration


def ignore(_message: object) -> None:
    """Do nothing; rclpy cannot read the signature of print before Python 3.11."""


@pytest.fixture
def node():
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("outputs", context=context)
        yield node
        node.destroy_node()
        context.try_shutdown()


def outputs_of(node: Node, camera: str = "") -> Outputs:
    return Outputs(node, Camera(camera), lambda: configuration({}), lambda: (), 0.5)


def wait_for(done) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_topic_is_wanted_while_somebody_listens(node):
    outputs = outputs_of(node)
    assert outputs.listened_to() == ()
    reliable = QoSProfile(depth=1)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    one = node.create_subscription(Image, "outputs/mask", ignore, best_effort)
    node.create_subscription(SegmentScores, "outputs/scores", ignore, reliable)
    wait_for(lambda: outputs.listened_to() == ("mask", "scores"))
    node.destroy_subscription(one)
    wait_for(lambda: outputs.listened_to() == ("scores",))
    outputs.destroy()
    wait_for(lambda: node.count_publishers("outputs/mask") == 0)


def test_a_named_camera_has_topics_of_its_own(node):
    outputs = outputs_of(node, "front")
    node.create_subscription(Image, "outputs/front/confidence", ignore, 1)
    node.create_subscription(FrameTiming, "outputs/front/debug/timing", ignore, 1)
    wait_for(lambda: outputs.listened_to() == ("confidence", "debug/timing"))
    assert node.count_publishers("outputs/mask") == 0
    outputs.destroy()
    wait_for(lambda: node.count_publishers("outputs/front/debug/timing") == 0)


def test_a_topic_that_is_not_wanted_counts_for_nothing(node):
    wanted = {"outputs": ["scores"]}
    outputs = Outputs(node, Camera(), lambda: configuration(wanted), lambda: (), 0.5)
    for topic in ("mask", "confidence"):
        node.create_subscription(Image, f"outputs/{topic}", ignore, 1)
    node.create_subscription(SegmentScores, "outputs/scores", ignore, 1)
    wait_for(lambda: outputs.listened_to() == ("scores",))
    wanted["outputs"] = ["scores", "confidence"]
    wait_for(lambda: outputs.listened_to() == ("confidence", "scores"))


def test_a_compressed_topic_is_wanted_where_the_raw_one_is(node):
    wanted = {"outputs": ["mask"]}
    outputs = Outputs(node, Camera("front"), lambda: configuration(wanted), lambda: (), 0.5)
    for topic in ("mask", "overlay"):
        node.create_subscription(CompressedImage, f"outputs/front/{topic}/compressed", ignore, 1)
    wait_for(lambda: outputs.listened_to() == ("mask/compressed",))
    wanted["outputs"] = ["mask", "overlay"]
    wait_for(lambda: outputs.listened_to() == ("mask/compressed", "overlay/compressed"))


def an_answer(**values: object) -> Answer:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 1:3] = True
    return Answer(
        header=Header(frame_id="camera"),
        image_rgb=np.zeros((4, 6, 3), np.uint8),
        segments=[Segment("mug", "mug", 0.9, Box(1, 1, 3, 3), mask)],
        label_values={"mug": 5},
        mask_encoding="mono8",
        **values,
    )


def test_the_timing_is_published_last_and_includes_the_others(node):
    outputs = outputs_of(node)
    heard = []
    node.create_subscription(FrameTiming, "outputs/debug/timing", heard.append, 1)
    wait_for(lambda: outputs.listened_to() == ("debug/timing",))
    answer = an_answer(
        received=time.monotonic() - 0.5, waited=0.25, stages={"convert": 0.125, "decoder": 0.0625}
    )
    made = outputs.messages(answer, ("mask", "debug/timing"))
    outputs.publish_timing(made, outputs.publish(made), {"lift": 0.5})
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    wait_for(lambda: executor.spin_once(timeout_sec=0.1) or heard)
    executor.shutdown()
    (timing,) = heard
    stages = {each.stage: each.milliseconds for each in timing.stages}
    assert list(stages) == ["convert", "decoder", "messages", "publish", "lift"]
    assert (stages["convert"], stages["decoder"], stages["lift"]) == (125, 62.5, 500)
    assert timing.waited_milliseconds == 250
    assert timing.total_milliseconds >= 500
    assert timing.header == answer.header


def test_only_what_is_wanted_is_made(node):
    answer = an_answer()
    made = outputs_of(node).messages(answer, ("mask",)).by_output
    assert list(made) == ["mask"]
    labels = np.frombuffer(made["mask"].data, np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(labels, answer.segments[0].mask * 5)


def test_an_overlay_is_drawn_once_for_both_of_its_topics(node, monkeypatch):
    drawn = []
    draw = messages.draw_overlay_bgr
    monkeypatch.setattr(
        messages, "draw_overlay_bgr", lambda *asked: drawn.append(asked) or draw(*asked)
    )
    outputs_of(node).messages(an_answer(), ("mask", "mask/compressed"))
    assert not drawn
    outputs_of(node).messages(an_answer(), ("overlay", "overlay/compressed"))
    assert len(drawn) == 1
