"""What callbacks raised that nobody expected: a fault of ours, after which the node goes on."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node

from sam3_ros.ros.error_text import described
from sam3_ros.ros.throttled_log import THROTTLED


@dataclass(frozen=True)
class CallbackErrors:
    """How many there were, and the last one in words."""

    count: int = 0
    last: str = ""


class CallbackErrorLog:
    """Logs them with their traceback, and counts them; for the executor's thread."""

    def __init__(self, node: Node) -> None:
        self._logger = node.get_logger()
        self._summary = CallbackErrors()

    def __call__(self, entity: Any, error: Exception) -> None:
        """Take note of what the callback of a topic, service or timer raised."""
        where = getattr(entity, "topic_name", None) or getattr(entity, "srv_name", None)
        last = f"{where or type(entity).__name__.lower()}: {described(error)}"
        self._summary = CallbackErrors(self._summary.count + 1, last)
        text = "".join(traceback.format_exception(error))
        self._logger.error(f"a callback broke, which is a fault in sam3_ros: {text}", **THROTTLED)

    def summary(self) -> CallbackErrors:
        """Return what was noted so far; from any thread."""
        return self._summary
