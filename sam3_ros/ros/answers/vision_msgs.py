"""vision_msgs, an optional dependency: what is installed of it, and segments as its detections.

vision_msgs 3.0, older than Humble, brought Detection2DArray and Detection3DArray in this form;
LabelInfo came with 4.1 (ros-perception/vision_msgs, its CHANGELOG and tags).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rclpy.type_support import check_for_type_support
from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.message_types import MessageTypeError, message_class


@dataclass(frozen=True)
class VisionMessages:
    """The message classes that are installed, or None."""

    label_info: type[Any] | None
    detections: type[Any] | None
    #: For people: the outputs that are missing, and why; empty if none is.
    missing: str = ""


def find_vision_messages() -> VisionMessages:
    """Return what is installed."""
    label_info, why_no_label_info = _find("LabelInfo")
    detections, why_no_detections = _find("Detection2DArray")
    reasons = {"~/label_info": why_no_label_info, "~/detections": why_no_detections}
    missing = [f"no {what} ({reason})" for what, reason in reasons.items() if reason]
    return VisionMessages(label_info, detections, "; ".join(missing))


def find_detections_3d() -> tuple[type[Any] | None, str]:
    """Return Detection3DArray, or None and the reason."""
    return _find("Detection3DArray")


def vision_class(name: str) -> type[Any]:
    """Return a class by its name, such as Detection2D. Raises MessageTypeError."""
    return message_class(f"vision_msgs/msg/{name}")


def detections_maker(
    array_class: type[Any],
) -> Callable[[Sequence[Segment], Header, Sequence[int]], Any]:
    """Return a function that makes a vision_msgs/Detection2DArray. Raises MessageTypeError.

    It takes segments, header and the segments' numbers. The id of a tracked one is its track's, of
    others their number; class_id is the label. What is not seen is left out: it is no detection.
    """
    detection_class = vision_class("Detection2D")
    hypothesis_class = vision_class("ObjectHypothesisWithPose")

    def detection(number: int, segment: Segment, header: Header) -> Any:
        result = hypothesis_class()
        result.hypothesis.class_id = segment.label
        # By the message's convention in 0..1; a click's score may lie outside.
        result.hypothesis.score = min(max(float(segment.score), 0.0), 1.0)
        track_id = number if segment.track is None else segment.track.id
        message = detection_class(header=header, results=[result], id=str(track_id))
        set_box(message.bbox, segment.box)
        return message

    def detections(segments: Sequence[Segment], header: Header, numbers: Sequence[int]) -> Any:
        return array_class(
            header=header,
            detections=[
                detection(number, segment, header)
                for number, segment in zip(numbers, segments, strict=True)
                if segment.bounds is not None
            ],
        )

    return detections


def set_box(message: Any, box: Box) -> None:
    """Set a vision_msgs/BoundingBox2D of any version."""
    # The centre is vision_msgs/Pose2D, with a position, since 4.0; before, geometry_msgs/Pose2D.
    centre = getattr(message.center, "position", message.center)
    centre.x = (box.x_min + box.x_max) / 2
    centre.y = (box.y_min + box.y_max) / 2
    message.size_x, message.size_y = box.width, box.height


def _find(name: str) -> tuple[type[Any] | None, str]:
    """Return the class, or None and the reason."""
    try:
        found = vision_class(name)
    except MessageTypeError as error:
        return None, str(error)
    try:
        check_for_type_support(found)
    except Exception as error:  # the generated code loads libraries, which can raise anything
        return None, (
            f"the library of vision_msgs/msg/{name} cannot be loaded: source the workspace that "
            f"has it; {error!r}"
        )
    return found, ""
