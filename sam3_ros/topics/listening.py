"""A subscription that matches whoever publishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from sam3_ros.ros.message_types import message_class
from sam3_ros.topics.topic_names import wait_for_type

_DEPTH = 20
_POLL = 0.1


def qos_of_publishers(node: Node, topic: str) -> QoSProfile:
    """As demanding as every publisher of the topic allows."""
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
    """Give on_message what comes on the topic until done() holds.

    raw: serialised bytes. Raises TopicError if nobody publishes within patience, s, and
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
