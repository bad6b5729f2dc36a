"""The topics that answer a frame; each is worked for only while somebody listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.label_image import instance_image, label_image
from sam3_ros.core.overlay import draw_overlay
from sam3_ros.core.segments import Segment
from sam3_ros.msg import Segments, SegmentScores
from sam3_ros.ros.image_messages import image_message
from sam3_ros.ros.pixel_rows import Pixels
from sam3_ros.ros.segment_messages import scores_message, segments_message

# Reliable, so that subscribers of either kind match; a few deep, so that one that is late by a
# frame or two still gets them all.
OUTPUT_QOS = QoSProfile(depth=5)


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of a frame. segments: best first. label_values: prompt id to value."""

    header: Header
    image_rgb: Pixels
    segments: Sequence[Segment]
    label_values: Mapping[str, int]
    mask_encoding: str

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.image_rgb.shape[:2])


def mask_message(answer: Answer) -> Image:
    if answer.mask_encoding == "mono16":
        return image_message(instance_image(answer.segments, answer.size), "mono16", answer.header)
    labels = label_image(answer.segments, answer.label_values, answer.size, np.uint8)
    return image_message(labels, "mono8", answer.header)


def overlay_message(answer: Answer) -> Image:
    overlay = draw_overlay(answer.image_rgb, answer.segments)
    return image_message(cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR), "bgr8", answer.header)


def _scores(answer: Answer) -> SegmentScores:
    return scores_message(answer.segments, answer.label_values, answer.header)


def _segments(answer: Answer) -> Segments:
    return segments_message(answer.segments, answer.label_values, answer.size, answer.header)


_TOPICS: Mapping[str, tuple[type, Callable[[Answer], Any]]] = {
    "~/mask": (Image, mask_message),
    "~/scores": (SegmentScores, _scores),
    "~/segments": (Segments, _segments),
    "~/overlay": (Image, overlay_message),
}


class Outputs:
    """The publishers of _TOPICS."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers: dict[str, Publisher] = {
            topic: node.create_publisher(kind, topic, OUTPUT_QOS)
            for topic, (kind, _) in _TOPICS.items()
        }

    def listened_to(self) -> tuple[str, ...]:
        """The topics that have a subscriber now."""
        return tuple(
            topic
            for topic, publisher in self._publishers.items()
            if publisher.get_subscription_count() > 0
        )

    def messages(self, answer: Answer, topics: Sequence[str]) -> dict[str, Any]:
        """The messages of these topics; the dear part."""
        return {topic: _TOPICS[topic][1](answer) for topic in topics}

    def publish(self, messages: Mapping[str, Any]) -> None:
        for topic, message in messages.items():
            self._publishers[topic].publish(message)

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
