"""The topics that answer a camera's frames; each is worked for only while somebody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.image_messages import image_message
from sam3_ros.ros.parameters import NodeConfiguration
from sam3_ros.ros.pixel_rows import Pixels
from sam3_ros.ros.segment_messages import scores_message, segments_message

# Reliable, so that subscribers of either kind match; a few deep, so that one that is late by a
# frame or two still gets them all.
OUTPUT_QOS = QoSProfile(depth=5)


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of a frame. segments: best first. label_values: prompt id to value.

    received: time.monotonic() when what is answered came, s. waited: from then until the work on
    it began, s. stages: seconds by step.
    """

    header: Header
    image_rgb: Pixels
    segments: Sequence[Segment]
    label_values: Mapping[str, int]
    mask_encoding: str
    received: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)

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


_OUTPUTS: Mapping[str, tuple[type, Callable[[Answer], Any]]] = {
    "mask": (Image, mask_message),
    "scores": (SegmentScores, _scores),
    "segments": (Segments, _segments),
    "overlay": (Image, overlay_message),
}


class Outputs:
    """The publishers of a camera. settings: the configuration as it is now."""

    def __init__(
        self, node: Node, camera: Camera, settings: Callable[[], NodeConfiguration]
    ) -> None:
        self._node = node
        self._settings = settings
        self._publishers: dict[str, Publisher] = {
            output: node.create_publisher(kind, camera.topic(output), OUTPUT_QOS)
            for output, (kind, _) in _OUTPUTS.items()
        }

    def listened_to(self) -> tuple[str, ...]:
        """The outputs that are wanted and have a subscriber now, such as `mask`."""
        wanted = self._settings().outputs
        return tuple(
            output
            for output, publisher in self._publishers.items()
            if output in wanted and publisher.get_subscription_count() > 0
        )

    def messages(self, answer: Answer, outputs: Sequence[str]) -> dict[str, Any]:
        """The messages of these outputs; the dear part."""
        return {output: _OUTPUTS[output][1](answer) for output in outputs}

    def publish(self, messages: Mapping[str, Any]) -> None:
        for output, message in messages.items():
            self._publishers[output].publish(message)

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
