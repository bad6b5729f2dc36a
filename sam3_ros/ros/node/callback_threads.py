"""The threads that run a node's callbacks, while one of them may make and destroy its topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.context import Context
from rclpy.executors import MultiThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.logging import get_logger

# Transitions beside the other callbacks.
_THREADS = 2


class CallbackThreads(MultiThreadedExecutor):
    """rclpy's, which ends by InvalidHandle if another thread destroys a topic at a bad moment.

    That is when the executor has listed the events of its QoS but does not wait for them yet, or
    is about to take one (rclpy 7 and 9, executors.py), or a message (rclpy 3, its issue 1142).
    """

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(_THREADS, context=context)

    def spin_once(self, timeout_sec: float | None = None) -> None:
        try:
            super().spin_once(timeout_sec)
        except rclpy_implementation.InvalidHandle as error:
            # The next round lists what there is then.
            get_logger("sam3_ros").debug(f"a topic ended before it was waited for: {error}")

    def _make_handler(self, entity: Any, node: Any, take: Callable[[Any], Any], *more: Any) -> Any:
        """With nothing to do for what is gone: by an error its group would be taken for ever."""

        def take_what_is_there(entity: Any) -> Any:
            try:
                return take(entity)
            except rclpy_implementation.InvalidHandle:
                return None

        return super()._make_handler(entity, node, take_what_is_there, *more)
