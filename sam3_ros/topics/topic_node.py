"""A node of our own in a ROS context of its own, for a short look around."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


@contextmanager
def topic_node(domain_id: int | None = None) -> Iterator[tuple[Node, Context]]:
    """domain_id: None for that of the environment. Ctrl-C stays Python's KeyboardInterrupt."""
    context = Context()
    rclpy.init(
        args=[],  # the program's own are not for ROS
        context=context,
        domain_id=domain_id,
        signal_handler_options=SignalHandlerOptions.NO,
    )
    node = Node("sam3_ros_topic", context=context, start_parameter_services=False)
    try:
        yield node, context
    finally:
        node.destroy_node()
        context.try_shutdown()
