"""What the values in a label image mean, as vision_msgs/LabelInfo says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from sam3_ros.ros.answers.vision_msgs import vision_class
from sam3_ros.ros.locks import NodeLock

# The last one is kept for whoever comes later; Nav2's layer asks for exactly this.
LATCHED_QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@dataclass(frozen=True)
class Labels:
    """names: label value to name. threshold: least score of an answer, 0..1."""

    names: Mapping[int, str]
    threshold: float


class LabelInfoTopic:
    """Publishes what labels() says whenever it is told to, if that differs from what it said last.

    Any thread may tell it; labels is then asked under a lock, so that of two threads the later one
    says what holds.
    """

    def __init__(
        self, node: Node, topic: str, label_info_class: type[Any], labels: Callable[[], Labels]
    ) -> None:
        """Raises MessageTypeError."""
        self._node = node
        self._message_class = label_info_class
        self._entry_class = vision_class("VisionClass")
        self._labels = labels
        self._lock = NodeLock.LABEL_INFO_TOPIC.make()
        self._said: Labels | None = None
        self._publisher: Publisher | None = node.create_publisher(
            label_info_class, topic, LATCHED_QOS
        )

    def tell(self) -> None:
        with self._lock:
            labels = self._labels()
            if self._publisher is not None and self._said != labels:
                self._said = labels
                self._publisher.publish(self._message(labels))

    def destroy(self) -> None:
        with self._lock:
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
                self._publisher = None

    def _message(self, labels: Labels) -> Any:
        message = self._message_class(threshold=labels.threshold)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.class_map = [
            self._entry_class(class_id=value, class_name=name)
            for value, name in sorted(labels.names.items())
        ]
        return message
