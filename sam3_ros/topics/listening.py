"""Finds topics and subscribes to them with the QoS of their publishers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.validate_topic_name import validate_topic_name

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.ros.message_types import message_class
from sam3_ros.ros.start import start_ros

_DEPTH = 20
_POLL, _SHORT_POLL = 0.1, 0.05


def spin_for(executor: Executor, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
    """Run callbacks for some seconds, or until that is true; return whether it is."""
    end = time.monotonic() + seconds
    while not (done := until()) and (left := end - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=min(left, _SHORT_POLL))
    return done


@contextmanager
def topic_node(domain_id: int | None = None) -> Iterator[tuple[Node, Context]]:
    """Open a node in a ROS context of its own. Ctrl-C stays Python's KeyboardInterrupt.

    domain_id: None for the domain of the environment.
    """
    context = Context()
    start_ros(context=context, domain_id=domain_id)
    node = Node("sam3_ros_topic", context=context, start_parameter_services=False)
    try:
        yield node, context
    finally:
        node.destroy_node()
        context.try_shutdown()


def domain_text() -> str:
    """Return the ROS domain of the environment, for people."""
    return f"ROS_DOMAIN_ID={os.environ.get('ROS_DOMAIN_ID') or 0}"


class TopicError(Sam3RosError):
    """A topic that does not exist, or that cannot be subscribed to."""


@dataclass(frozen=True)
class TopicInfo:
    name: str
    types: tuple[str, ...]
    publishers: int
    subscriptions: int


def topics_of(node: Node) -> list[TopicInfo]:
    """Return the topics that the node has discovered so far, by name."""
    return [
        TopicInfo(name, tuple(types), node.count_publishers(name), node.count_subscribers(name))
        for name, types in sorted(node.get_topic_names_and_types())
    ]


def wait_for_type(node: Node, topic: str, patience: float) -> str:
    """Wait for a publisher of a topic and return the message type.

    Raises TopicError if there is none within patience, s, if there are several types, or for what
    is no name of a topic.
    """
    _require_topic_name(topic)
    end = time.monotonic() + patience
    while not (found := {info.topic_type for info in node.get_publishers_info_by_topic(topic)}):
        if time.monotonic() > end:
            raise TopicError(
                f"nobody has published on {topic} for {patience:g} s; `sam3-ros topic list` shows "
                "the topics of this ROS_DOMAIN_ID"
            )
        time.sleep(_POLL)
    if len(found) > 1:
        raise TopicError(f"{topic} has more than one type: {', '.join(sorted(found))}")
    return str(found.pop())


def _require_topic_name(topic: str) -> None:
    try:
        validate_topic_name(topic)
    except InvalidTopicNameException as error:
        why = str(error).splitlines()[0].removeprefix("Invalid topic name: ").rstrip(":")
        raise TopicError(f"expected a topic such as /camera/image, got {topic!r}: {why}") from error


def qos_of_publishers(node: Node, topic: str) -> QoSProfile:
    """Return the strictest QoS that all publishers of the topic allow."""
    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(topic)]
    reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered)
    latched = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
    return QoSProfile(
        depth=_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def listen(
    node: Node,
    context: Context,
    topic: str,
    on_message: Callable[[Any], None],
    done: Callable[[], bool],
    *,
    patience: float,
    raw: bool = False,
) -> None:
    """Call on_message with each message on the topic until done() is true.

    raw: pass serialised bytes. Raises TopicError if nobody publishes within patience, s, and
    MessageTypeError for a type that is not installed.
    """
    kind = message_class(wait_for_type(node, topic, patience))
    node.create_subscription(kind, topic, on_message, qos_of_publishers(node, topic), raw=raw)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        while not done():
            executor.spin_once(timeout_sec=_POLL)
    finally:
        executor.shutdown()
