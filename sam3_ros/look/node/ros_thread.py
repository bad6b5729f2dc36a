"""A ROS node on a thread of its own, to which other threads hand over what is to be done."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from sam3_ros.ros.start import start_ros

_LOG = logging.getLogger(__name__)
# One that is not woken up looks around so often.
_LONGEST_WAIT_S = 1.0
_NODE_NAME = "sam3_ros_look"
# A fault that comes with every message would fill the log.
_SECONDS_BETWEEN_LOGS = 5.0


class RosThread:
    """Runs the callbacks of one ROS node; none of them may wait.

    All ROS entities are made and destroyed on that thread, inside what is posted.
    """

    def __init__(self, domain_id: int | None = None) -> None:
        """Start it. domain_id: None for that of the environment. Raises RosEnvironmentError."""
        self._context = Context()
        start_ros(context=self._context, domain_id=domain_id)
        self.node = Node(_NODE_NAME, context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._todo: deque[Callable[[], None]] = deque()
        self._wake = self.node.create_guard_condition(self._work)
        self._is_closing = False
        self._logged_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="look: ROS", daemon=True)
        self._thread.start()

    def post(self, work: Callable[[], None]) -> None:
        """Have something done on the thread, after what was posted before; from any thread.

        It is not done any more once the thread is closed.
        """
        self._todo.append(work)
        if not self._is_closing:
            self._wake.trigger()

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Do something again and again by a steady clock; on the thread, or before post()."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.node.create_timer(seconds, lambda: self._survive(work), clock=clock)

    def close(self, timeout: float = 2.0) -> None:
        """End the thread and the node. Twice is no error."""
        if not self._is_closing:
            self._is_closing = True
            self._wake.trigger()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._is_closing:
            self._survive(lambda: self._executor.spin_once(timeout_sec=_LONGEST_WAIT_S))
            if not self._context.ok():
                return
        self._work()  # what was posted last ends what there is
        self._executor.shutdown(timeout_sec=0)
        self.node.destroy_node()
        self._context.try_shutdown()

    def _work(self) -> None:
        while self._todo:
            self._survive(self._todo.popleft())

    def _survive(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # the next thing may succeed
            self._log_fault()

    def _log_fault(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _SECONDS_BETWEEN_LOGS:
            self._logged_at = now
            _LOG.exception("a fault in what looks at the node")
