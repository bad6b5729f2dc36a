"""The topics that answer a camera's frames; each is worked for only while somebody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from sam3_ros.msg import FrameTiming
from sam3_ros.ros.answers.answer import Answer
from sam3_ros.ros.answers.label_info import LabelInfoTopic, Labels
from sam3_ros.ros.answers.messages import answer_messages
from sam3_ros.ros.answers.timing import timing_message
from sam3_ros.ros.answers.vision_msgs import find_vision_messages
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.parameters.parameters import NodeConfiguration
from sam3_ros.ros.prompts.active import Snapshot

__all__ = ["Answer", "MadeMessages", "Outputs"]

# Reliable, so that subscribers of either kind match; a few deep, so that one that is late by a
# frame or two still gets them all.
OUTPUT_QOS = QoSProfile(depth=5)
LABEL_INFO = "label_info"
TIMING = "debug/timing"


@dataclass(frozen=True, eq=False)
class MadeMessages:
    """The messages of an answer, ready to be published.

    by_output: without the timing, which tells of publishing too. seconds: to make them.
    """

    answer: Answer
    by_output: Mapping[str, Any]
    with_timing: bool
    seconds: float


class Outputs:
    """The publishers of a camera.

    settings: the configuration as it is now. asked: the camera's prompts as they are now.
    bundle_threshold: the score threshold where the configuration leaves it to the bundle.
    """

    def __init__(
        self,
        node: Node,
        camera: Camera,
        settings: Callable[[], NodeConfiguration],
        asked: Callable[[], Snapshot],
        bundle_threshold: float,
    ) -> None:
        self._node = node
        self._settings = settings
        self._asked = asked
        self._bundle_threshold = bundle_threshold
        vision = find_vision_messages()
        if vision.missing:
            node.get_logger().info(vision.missing, once=True)
        self._messages = answer_messages(vision.detections)
        classes = {output: each.message_class for output, each in self._messages.items()}
        self._publishers: dict[str, Publisher] = {
            output: node.create_publisher(kind, camera.topic(output), OUTPUT_QOS)
            for output, kind in {**classes, TIMING: FrameTiming}.items()
        }
        self._label_info = (
            LabelInfoTopic(node, camera.topic(LABEL_INFO), vision.label_info, self._labels)
            if vision.label_info is not None
            else None
        )

    def listened_to(self) -> tuple[str, ...]:
        """The outputs that are wanted and have a subscriber now, such as `mask`.

        Without those that are not of a frame: label info is told when it changes.
        """
        wanted = self._settings().outputs
        return tuple(
            output
            for output, publisher in self._publishers.items()
            if output in wanted and publisher.get_subscription_count() > 0
        )

    def messages(self, answer: Answer, outputs: Sequence[str]) -> MadeMessages:
        """The messages of these outputs; the dear part."""
        begun = time.perf_counter()
        made = {
            output: each.make(answer)
            for output, each in self._messages.items()
            if output in outputs
        }
        return MadeMessages(answer, made, TIMING in outputs, time.perf_counter() - begun)

    def publish(self, made: MadeMessages) -> None:
        begun = time.perf_counter()
        for output, message in made.by_output.items():
            self._publishers[output].publish(message)
        if made.with_timing:
            steps = {"messages": made.seconds, "publish": time.perf_counter() - begun}
            self._publishers[TIMING].publish(timing_message(made.answer, steps))

    def tell_labels(self) -> None:
        """To be called when prompts or settings have changed: what label values mean, if anew."""
        if self._label_info is not None and LABEL_INFO in self._settings().outputs:
            self._label_info.tell()

    def destroy(self) -> None:
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        if self._label_info is not None:
            self._label_info.destroy()

    def _labels(self) -> Labels:
        return Labels(
            {each.label_value: each.prompt.label for each in self._asked()},
            float(self._settings().score_threshold or self._bundle_threshold),
        )
