"""Segments to vision_msgs/Detection2DArray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.answers.answer import Answer
from sam3_ros.ros.answers.vision_msgs import vision_class


def detections_maker(array_class: type[Any]) -> Callable[[Answer], Any]:
    """Of vision_msgs/Detection2DArray. Raises MessageTypeError.

    What is made has the numbers of the scores' message; a detection's class_id is the label.
    """
    detection_class = vision_class("Detection2D")
    hypothesis_class = vision_class("ObjectHypothesisWithPose")

    def detection(number: int, segment: Segment, header: Header) -> Any:
        result = hypothesis_class()
        result.hypothesis.class_id = segment.label
        # By the message's convention in 0..1, which a click's score may lie outside of.
        result.hypothesis.score = min(max(float(segment.score), 0.0), 1.0)
        message = detection_class(header=header, results=[result], id=str(number))
        set_box(message.bbox, segment.box)
        return message

    def detections(answer: Answer) -> Any:
        return array_class(
            header=answer.header,
            detections=[
                detection(number, segment, answer.header)
                for number, segment in enumerate(answer.segments, start=1)
            ],
        )

    return detections


def set_box(message: Any, box: Box) -> None:
    # The centre is vision_msgs/Pose2D, with a position, since 4.0; before, geometry_msgs/Pose2D.
    centre = getattr(message.center, "position", message.center)
    centre.x = (box.x_min + box.x_max) / 2
    centre.y = (box.y_min + box.y_max) / 2
    message.size_x, message.size_y = box.width, box.height
