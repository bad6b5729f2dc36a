"""What the values in a label image mean, as vision_msgs/LabelInfo says it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from sam3_ros.ros.vision_messages import vision_class

# The last one is kept for whoever comes later; Nav2's layer asks for exactly this.
LATCHED_QOS = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class LabelInfoTopic:
    """Told what holds now, by any thread; publishes it if it differs from what it said last."""

    def __init__(self, node: Node, topic: str, label_info_class: type[Any]) -> None:
        """Raises MessageTypeError."""
        self._node = node
        self._message_class = label_info_class
        self._entry_class = vision_class("VisionClass")
        self._lock = threading.Lock()
        self._said: tuple[dict[int, str], float] | None = None
        self._publisher: Publisher | None = node.create_publisher(
            label_info_class, topic, LATCHED_QOS
        )

    def tell(self, names: Mapping[int, str], threshold: float) -> None:
        """names: label value to name. threshold: least score of an answer, 0..1."""
        with self._lock:
            if self._publisher is None or self._said == (names, threshold):
                return
            self._said = (dict(names), threshold)
            self._publisher.publish(self._message(names, threshold))

    def destroy(self) -> None:
        with self._lock:
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
                self._publisher = None

    def _message(self, names: Mapping[int, str], threshold: float) -> Any:
        message = self._message_class(threshold=float(threshold))
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.class_map = [
            self._entry_class(class_id=value, class_name=name)
            for value, name in sorted(names.items())
        ]
        return message
