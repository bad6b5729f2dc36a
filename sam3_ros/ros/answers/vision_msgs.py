"""vision_msgs, which is used where it is installed and not missed elsewhere.

From 3.0 on, which is before Humble; LabelInfo came with 4.1 (ros-perception/vision_msgs, its
CHANGELOG and tags).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.type_support import check_for_type_support

from sam3_ros.ros.message_types import MessageTypeError, message_class


@dataclass(frozen=True)
class VisionMessages:
    """The classes that are here. missing: which are not, and why, for people; empty if all are."""

    label_info: type[Any] | None
    detections: type[Any] | None
    missing: str = ""


def find_vision_messages() -> VisionMessages:
    label_info, why_no_label_info = _find("LabelInfo")
    detections, why_no_detections = _find("Detection2DArray")
    reasons = {"~/label_info": why_no_label_info, "~/detections": why_no_detections}
    missing = [f"no {what} ({reason})" for what, reason in reasons.items() if reason]
    return VisionMessages(label_info, detections, "; ".join(missing))


def vision_class(name: str) -> type[Any]:
    """One that belongs to those that were found, such as Detection2D. Raises MessageTypeError."""
    return message_class(f"vision_msgs/msg/{name}")


def _find(name: str) -> tuple[type[Any] | None, str]:
    """The class, or why there is none."""
    try:
        found = vision_class(name)
    except MessageTypeError as error:
        return None, str(error)
    try:
        check_for_type_support(found)
    except Exception as error:  # the generated code loads libraries, which fails in many ways
        return None, (
            f"the library of vision_msgs/msg/{name} cannot be loaded: source the workspace that "
            f"has it; {error!r}"
        )
    return found, ""
