"""The threads that run a node's callbacks, while one of them may make and destroy its topics."""

from __future__ import annotations

from typing import Any

from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger
from rclpy.waitable import Waitable

# Transitions beside the other callbacks.
_THREADS = 2


class CallbackThreads(MultiThreadedExecutor):
    """rclpy's, which ends by InvalidHandle if another thread destroys a publisher at a bad moment.

    That is when the executor has listed the events of its QoS but does not wait for them yet, or
    is about to take one (rclpy 7 and 9, executors.py: topics and timers are seen to, events not).
    """

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(_THREADS, context=context)

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            super().spin_once(timeout_sec)
        except rclpy_implementation.InvalidHandle as error:
            # The next round lists what there is then.
            get_logger("sam3_ros").debug(f"a topic ended before it was waited for: {error}")

    def _take_waitable(self, waitable: Waitable[Any]) -> Any:
        """None, which rclpy takes as nothing to do, rather than the group locked by an error."""
        try:
            return super()._take_waitable(waitable)
        except rclpy_implementation.InvalidHandle:
            return None
