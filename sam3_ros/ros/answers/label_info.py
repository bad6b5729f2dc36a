"""~/label_info: what the values in a label image mean, as vision_msgs/LabelInfo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher

from sam3_ros.ros.answers.vision_msgs import vision_class
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.qos import LATCHED, create_publisher


@dataclass(frozen=True)
class LabelNames:
    """The content of a LabelInfo."""

    #: Label value to name.
    names: Mapping[int, str]
    #: Least score of an answer, 0..1.
    threshold: float


class LabelInfoTopic:
    """Publishes what labels() returns whenever that has changed; for any thread.

    labels() is called under a lock: of two threads, the one that publishes last has read last.
    """

    def __init__(
        self, node: Node, topic: str, label_info_class: type[Any], labels: Callable[[], LabelNames]
    ) -> None:
        """Create the publisher. Raises MessageTypeError if VisionClass is missing."""
        self._node = node
        self._message_class = label_info_class
        self._entry_class = vision_class("VisionClass")
        self._labels = labels
        self._lock = NodeLock.LABEL_INFO_TOPIC.make()
        self._published: LabelNames | None = None
        self._publisher: Publisher | None = create_publisher(node, label_info_class, topic, LATCHED)

    def publish(self) -> None:
        """Publish the labels if they have changed."""
        with self._lock:
            labels = self._labels()
            if self._publisher is not None and self._published != labels:
                self._published = labels
                self._publisher.publish(self._message(labels))

    def destroy(self) -> None:
        """Destroy the publisher; publish() does nothing from now on."""
        with self._lock:
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
                self._publisher = None

    def _message(self, labels: LabelNames) -> Any:
        message = self._message_class(threshold=labels.threshold)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.class_map = [
            self._entry_class(class_id=value, class_name=name)
            for value, name in sorted(labels.names.items())
        ]
        return message
