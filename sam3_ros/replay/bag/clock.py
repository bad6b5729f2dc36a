"""The bag's time on /clock, for nodes with use_sim_time."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import QoSProfile

from sam3_ros.replay.bag.header import NANOSECONDS
from sam3_ros.ros.message_types import message_class

CLOCK_TOPIC, CLOCK_TYPE = "/clock", "rosgraph_msgs/msg/Clock"


class BagClock:
    """Jumps back where the bag's time does."""

    def __init__(self, node: Node) -> None:
        """Raises MessageTypeError where the messages of the clock are not installed."""
        self._kind = message_class(CLOCK_TYPE)
        self._publisher = node.create_publisher(self._kind, CLOCK_TOPIC, QoSProfile(depth=10))

    def tell(self, bag_ns: int) -> None:
        """bag_ns: nanoseconds since the epoch."""
        message = self._kind()
        message.clock.sec, message.clock.nanosec = divmod(bag_ns, NANOSECONDS)
        self._publisher.publish(message)
