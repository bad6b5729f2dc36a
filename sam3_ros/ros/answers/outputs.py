"""The topics that answer a camera's frames; a message is made only if somebody subscribes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from sam3_ros.msg import FrameTiming
from sam3_ros.ros.answers.label_info import LabelInfoTopic, LabelNames
from sam3_ros.ros.answers.messages import (
    COMPRESSED,
    TRACKS,
    Answer,
    output_messages,
    timing_message,
)
from sam3_ros.ros.answers.vision_msgs import find_vision_messages
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.prompts.active import Snapshot
from sam3_ros.ros.qos import create_publisher

# Reliable, to match subscribers of either kind; a few deep, for those a frame or two late.
OUTPUT_QOS = QoSProfile(depth=5)
# Events are told once: a subscriber that is slow finds those of as many images here.
EVENTS_QOS = QoSProfile(depth=1000)
#: Seconds by step.
Timing = Mapping[str, float]
LABEL_INFO = "label_info"
TIMING = "debug/timing"


@dataclass(frozen=True, eq=False)
class MadeMessages:
    """The messages of an answer, ready to be published."""

    answer: Answer
    #: Without the timing, which includes the publishing of these.
    by_output: Mapping[str, Any]
    with_timing: bool
    #: Spent on making them.
    seconds: float


class Outputs:
    """The publishers of a camera."""

    def __init__(
        self,
        node: Node,
        camera: Camera,
        settings: Callable[[], NodeConfiguration],
        asked: Callable[[], Snapshot],
        bundle_threshold: float,
    ) -> None:
        """Create the publishers.

        settings, asked: return the configuration and the camera's prompts as they are now.
        bundle_threshold: the score threshold where the configuration leaves it to the bundle.
        """
        self._node = node
        self._settings = settings
        self._asked = asked
        self._bundle_threshold = bundle_threshold
        vision = find_vision_messages()
        if vision.missing:
            node.get_logger().info(vision.missing, once=True)
        self._messages = output_messages(vision.detections)
        classes = {output: each.message_class for output, each in self._messages.items()}
        self._publishers: dict[str, Publisher] = {
            output: create_publisher(
                node, kind, camera.topic(output), EVENTS_QOS if output == TRACKS else OUTPUT_QOS
            )
            for output, kind in {**classes, TIMING: FrameTiming}.items()
        }
        self._label_info = (
            LabelInfoTopic(node, camera.topic(LABEL_INFO), vision.label_info, self._labels)
            if vision.label_info is not None
            else None
        )

    def listened_to(self) -> tuple[str, ...]:
        """Return the outputs, such as `mask`, that are wanted and have a subscriber now.

        Label info is not among them, because it is published when it changes, not with frames.
        """
        wanted = self._settings().outputs
        return tuple(
            output
            for output, publisher in self._publishers.items()
            if output.removesuffix(COMPRESSED) in wanted and publisher.get_subscription_count() > 0
        )

    def messages(self, answer: Answer, outputs: Sequence[str]) -> MadeMessages:
        """Make the messages of these outputs, which is the slow part of publishing."""
        begun = time.perf_counter()
        made = {
            output: message
            for output, each in self._messages.items()
            if output in outputs and (message := each.make(answer)) is not None
        }
        return MadeMessages(answer, made, TIMING in outputs, time.perf_counter() - begun)

    def publish(self, made: MadeMessages) -> float:
        """Publish the messages without the timing; return the seconds that it took."""
        begun = time.perf_counter()
        for output, message in made.by_output.items():
            self._publishers[output].publish(message)
        return time.perf_counter() - begun

    def publish_timing(self, made: MadeMessages, publishing: float, more: Timing) -> None:
        """Publish the timing if that is wanted.

        publishing: seconds of publish(). more: those of the steps after it.
        """
        if made.with_timing:
            steps = {"messages": made.seconds, "publish": publishing, **more}
            self._publishers[TIMING].publish(timing_message(made.answer, steps))

    def publish_labels(self) -> None:
        """Publish what the label values mean if it has changed.

        To be called after every change of prompts or settings.
        """
        if self._label_info is not None and LABEL_INFO in self._settings().outputs:
            self._label_info.publish()

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        if self._label_info is not None:
            self._label_info.destroy()

    def _labels(self) -> LabelNames:
        return LabelNames(
            {each.label_value: each.prompt.label for each in self._asked()},
            float(self._settings().score_threshold or self._bundle_threshold),
        )
