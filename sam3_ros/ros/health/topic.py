"""When /diagnostics is told, and what of it the log says too."""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from sam3_ros.ros.health.diagnostics import Diagnostics, NodeStatus
from sam3_ros.ros.health.level_log import LevelLog

SECONDS_BETWEEN_LOADING_LOGS = 3.0


class DiagnosticsTopic:
    """Every diagnostics_period seconds, for as long as the node lives."""

    def __init__(self, node: Node, status: Callable[[], NodeStatus]) -> None:
        self._node = node
        self._status = status
        self._diagnostics = Diagnostics()
        self._levels = LevelLog(node.get_logger())
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", QoSProfile(depth=10)
        )
        # Not the node's clock, which stands still or jumps back in simulation.
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        period = node.get_parameter("diagnostics_period").value
        node.create_timer(period, self._publish, clock=clock)
        node.create_timer(SECONDS_BETWEEN_LOADING_LOGS, self._log_loading, clock=clock)

    def _publish(self) -> None:
        status = self._status()
        header = Header(stamp=self._node.get_clock().now().to_msg())
        message = self._diagnostics.message(status, header)
        self._log_levels(status, message)
        self._publisher.publish(message)

    def _log_levels(self, status: NodeStatus, message: DiagnosticArray) -> None:
        if status.active_s is None:
            self._levels.forget()
            return
        for each in message.status[1:] or message.status:
            self._levels.tell(each)

    def _log_loading(self) -> None:
        loading = self._status().loading
        if loading:
            self._node.get_logger().info(f"loading {loading}")
