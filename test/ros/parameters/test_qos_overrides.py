"""Overrides of the quality of service of topics, by parameters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_domains import own_domain
from std_msgs.msg import String

from sam3_ros.ros.parameters.qos_overrides import check_override, unused_overrides
from sam3_ros.ros.parameters.values import ParameterError
from sam3_ros.ros.qos import create_publisher

OF_MASK = "qos_overrides./robot/segmentation_node/mask.publisher."
PROFILE = QoSProfile(depth=5)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node that was started with overrides for ~/mask."""
    context, arguments = Context(), ["--ros-args"]
    for policy in ("reliability:=best_effort", "durability:=transient_local", "depth:=2"):
        arguments += ["-p", OF_MASK + policy]
    with own_domain() as domain:
        rclpy.init(args=arguments, context=context, domain_id=domain)
        node = Node("segmentation_node", namespace="robot", context=context)
        yield node
        node.destroy_node()
        context.try_shutdown()


def test_a_user_overrides_the_qualities_of_one_output(node: Node) -> None:
    mask = create_publisher(node, String, "~/mask", PROFILE)
    create_publisher(node, String, "~/scores", PROFILE)
    qualities = {}
    for name in ("mask", "scores"):
        (found,) = node.get_publishers_info_by_topic(f"/robot/segmentation_node/{name}")
        qualities[name] = (found.qos_profile.reliability, found.qos_profile.durability)
    assert qualities == {
        "mask": (ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.TRANSIENT_LOCAL),
        "scores": (ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    }
    assert PROFILE.reliability == ReliabilityPolicy.RELIABLE
    assert node.get_parameter(OF_MASK + "depth").value == 2
    # Configured again, the node creates its topics anew.
    node.destroy_publisher(mask)
    create_publisher(node, String, "~/mask", PROFILE)


@pytest.mark.parametrize(
    ("policy", "value", "reason"),
    [
        ("reliability", "sometimes", "is one of reliable, best_effort; got 'sometimes'"),
        ("reliability", True, "is one of reliable, best_effort; got True"),
        ("durability", "latched", "is one of volatile, transient_local; got 'latched'"),
        ("history", "all", "is one of keep_last, keep_all; got 'all'"),
        ("depth", "many", "expects a whole number, got 'many'"),
        ("depth", 0, "is 1 or more; got 0"),
    ],
)
def test_an_impossible_value_is_refused_by_name(policy: str, value: object, reason: str) -> None:
    with pytest.raises(ParameterError, match=f"{policy}' {reason}"):
        check_override(OF_MASK + policy, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [(OF_MASK + "reliability", "best_effort"), (OF_MASK + "depth", 1), ("other.depth", "deep")],
)
def test_a_possible_value_passes(name: str, value: object) -> None:
    check_override(name, value)


def test_one_that_no_topic_reads_gives_a_warning() -> None:
    declared = [OF_MASK + "depth", "max_rate"]
    given = [OF_MASK + "depth", OF_MASK.replace("mask", "mas") + "depth", "max_rat"]
    given.append("qos_overrides./image.subscription.reliability")
    first, second = unused_overrides(declared, given)
    assert first.endswith("subscription.reliability', so it is ignored: set image_reliability")
    assert f"did you mean '{OF_MASK}depth'" in second


def test_one_of_a_topic_that_is_subscribed_to_later_gives_none() -> None:
    given = ["qos_overrides./eye/depth.subscription.depth"]

    assert unused_overrides([], given, ["/eye/depth"]) == []
    assert len(unused_overrides([], given, ["/eye/dep"])) == 1
