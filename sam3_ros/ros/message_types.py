"""Message classes by their ROS names; shared by the node, replay and the topic tools."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from sam3_ros.core.errors import Sam3RosError


class MessageTypeError(Sam3RosError):
    """A message type without a Python class on this machine."""


def message_class(type_name: str) -> type[Any]:
    """Return the class of, for example, "sensor_msgs/msg/Image". Raises MessageTypeError."""
    parts = re.fullmatch(r"(\w+)/(?:msg/)?(\w+)", type_name)
    if parts is None:
        raise MessageTypeError(f"expected a type such as sensor_msgs/msg/Image, got {type_name!r}")
    package, name = parts.groups()
    try:
        found = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise MessageTypeError(
            f"the messages of {type_name} are not installed here: install the ROS package {package}"
        ) from error
    assert isinstance(found, type)
    return found
