"""When /diagnostics is published, and what of it is logged too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from sam3_ros.ros.health.diagnostics import Diagnostics, NodeStatus
from sam3_ros.ros.health.surroundings import SurroundingsWatch
from sam3_ros.ros.qos import create_publisher

SECONDS_BETWEEN_LOADING_LOGS = 3.0
# A level that changes every second is logged once in this time.
SECONDS_BETWEEN_LEVEL_LOGS = 5.0


class DiagnosticsTopic:
    """Publishes every diagnostics_period seconds, for as long as the node lives."""

    def __init__(self, node: Node, status: Callable[[], NodeStatus]) -> None:
        self._node = node
        self._status = status
        self._diagnostics = Diagnostics()
        self._surroundings = SurroundingsWatch(node)
        self._level_log = LevelLog(node.get_logger())
        self._publisher = create_publisher(
            node, DiagnosticArray, "/diagnostics", QoSProfile(depth=10)
        )
        # Not the node's clock, which stands still or jumps back in simulation.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        period = node.get_parameter("diagnostics_period").value
        node.create_timer(period, self._publish, clock=clock)
        node.create_timer(SECONDS_BETWEEN_LOADING_LOGS, self._log_loading, clock=clock)

    def _publish(self) -> None:
        status = replace(self._status(), around=self._surroundings.look())
        header = Header(stamp=self._node.get_clock().now().to_msg())
        message = self._diagnostics.message(status, header)
        if status.active_s is None:
            self._level_log.reset()
        else:
            # Of the cameras alone: all else that is a warning is logged where it is found.
            for camera, (level, words) in self._diagnostics.cameras.items():
                self._level_log.log(camera, level, words)
        self._publisher.publish(message)

    def _log_loading(self) -> None:
        loading = self._status().loading
        if loading:
            self._node.get_logger().info(f"loading {loading}")


class LevelLog:
    """Logs when a camera gets worse or better, and not more often than people can read."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        # By camera: the level that was logged last, OK before the first, and when.
        self._logged: dict[str, tuple[bytes, float]] = {}

    def log(self, camera: str, level: bytes, words: str) -> None:
        """Log the words if the level is not the one that was logged last.

        camera: its name; empty for the only one. level: of DiagnosticStatus.
        """
        before, when = self._logged.get(camera, (DiagnosticStatus.OK, float("-inf")))
        now = time.monotonic()
        if level == before or now - when < SECONDS_BETWEEN_LEVEL_LOGS:
            return
        self._logged[camera] = (level, now)
        text = f"camera {camera}: {words}" if camera else words
        # Three lines: rclpy allows one severity for each line of code.
        if level == DiagnosticStatus.ERROR:
            self._logger.error(text)
        elif level == DiagnosticStatus.WARN:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def reset(self) -> None:
        """Forget all levels: the node is no longer active, which is logged elsewhere."""
        self._logged.clear()
