"""Publishers of a bag: its topics, as the recorded bytes, and its time on /clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from sam3_ros.replay.bag.bag import BagMessage, BagTopic
from sam3_ros.replay.bag.stamps import NANOSECONDS, with_later_stamp
from sam3_ros.ros.message_types import MessageTypeError, message_class

# Reliable, so that subscribers of either kind match.
BAG_QOS = QoSProfile(depth=10)
CLOCK_TOPIC, CLOCK_TYPE = "/clock", "rosgraph_msgs/msg/Clock"


class BagPublishers:
    """A publisher per topic; `skipped` are the topics without a Python message class here."""

    def __init__(
        self,
        node: Node,
        topics: Collection[BagTopic],
        needed: Collection[str],
        renamed: Mapping[str, str],
    ) -> None:
        """Create the publishers. renamed: topic in the bag to the topic to publish on.

        Raises MessageTypeError for a topic in `needed` without a Python message class.
        """
        self._publishers: dict[str, Publisher] = {}
        self._stamped: set[str] = set()
        self.skipped: list[str] = []
        for topic in topics:
            try:
                kind = message_class(topic.type_name)
            except MessageTypeError:
                if topic.name in needed:
                    raise
                self.skipped.append(topic.name)
                continue
            name = renamed.get(topic.name, topic.name)
            self._publishers[topic.name] = node.create_publisher(kind, name, BAG_QOS)
            if next(iter(kind.get_fields_and_field_types().values()), "") == "std_msgs/Header":
                self._stamped.add(topic.name)

    @property
    def topics(self) -> Collection[str]:
        """The topics by their names in the bag."""
        return self._publishers.keys()

    def subscriber_count(self, topic: str) -> int:
        return int(self._publishers[topic].get_subscription_count())

    def bytes_of(self, message: BagMessage, shift_ns: int) -> bytes:
        """Return the bytes to publish, with the stamp of later loops moved by shift_ns."""
        is_stamped = message.topic in self._stamped
        return with_later_stamp(message.cdr, shift_ns) if is_stamped else message.cdr

    def publish(self, topic: str, cdr: bytes) -> None:
        self._publishers[topic].publish(cdr)


class BagClock:
    """The bag's time on /clock, for nodes with use_sim_time. It may jump back."""

    def __init__(self, node: Node) -> None:
        """Create the publisher. Raises MessageTypeError if rosgraph_msgs is not installed."""
        self._kind = message_class(CLOCK_TYPE)
        self._publisher = node.create_publisher(self._kind, CLOCK_TOPIC, QoSProfile(depth=10))

    def publish(self, bag_ns: int) -> None:
        """Publish a time. bag_ns: nanoseconds since the epoch."""
        message = self._kind()
        message.clock.sec, message.clock.nanosec = divmod(bag_ns, NANOSECONDS)
        self._publisher.publish(message)
