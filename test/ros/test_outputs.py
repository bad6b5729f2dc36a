"""Which topics are worked for, with real publishers and subscribers in one process."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_domains import own_domain
from sam3_ros.msg import SegmentScores
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.segments import Segment
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.outputs import Answer, Outputs
from sam3_ros.ros.parameters import configuration


@pytest.fixture
def node():
    with own_domain() as domain:
        context = Context()
        rclpy.init(context=context, domain_id=domain)
        node = Node("outputs", context=context)
        yield node
        node.destroy_node()
        context.try_shutdown()


def outputs_of(node: Node, camera: str = "", **values: object) -> Outputs:
    return Outputs(node, Camera(camera), lambda: configuration(values), lambda: (), 0.5)


def wait_for(done) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_topic_is_wanted_while_somebody_listens(node):
    outputs = outputs_of(node)
    assert outputs.listened_to() == ()
    reliable = QoSProfile(depth=1)
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    one = node.create_subscription(Image, "outputs/mask", print, best_effort)
    node.create_subscription(SegmentScores, "outputs/scores", print, reliable)
    wait_for(lambda: outputs.listened_to() == ("mask", "scores"))
    node.destroy_subscription(one)
    wait_for(lambda: outputs.listened_to() == ("scores",))
    outputs.destroy()
    assert node.count_publishers("outputs/mask") == 0


def test_only_what_is_wanted_is_made(node):
    mask = np.zeros((4, 6), bool)
    mask[1:3, 1:3] = True
    answer = Answer(
        header=Header(frame_id="camera"),
        image_rgb=np.zeros((4, 6, 3), np.uint8),
        segments=[Segment("mug", "mug", 0.9, Box(1, 1, 3, 3), mask)],
        label_values={"mug": 5},
        mask_encoding="mono8",
    )
    messages = outputs_of(node).messages(answer, ("mask",)).by_output
    assert list(messages) == ["mask"]
    labels = np.frombuffer(messages["mask"].data, np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(labels, mask * 5)
