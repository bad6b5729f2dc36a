"""Receives the node's masks and timings and records when they came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from sam3_ros.msg import FrameTiming, PromptStatus
from sam3_ros.replay.node_bench.report import AnswerMoments
from sam3_ros.replay.node_bench.settings import NodeBenchError
from sam3_ros.replay.under_test.diagnostics import NodeReport, read_node_report
from sam3_ros.ros.stamps import nanoseconds

# Deep: messages that have arrived must not be lost while they wait for Python.
_QOS = QoSProfile(depth=100)


@dataclass
class _Request:
    """A frame or click by its stamp, and what has come back for it. Times are ns."""

    sent: int
    published: int | None = None
    mask: tuple[int, int, int] | None = None
    timing: tuple[FrameTiming, int] | None = None


class AnswerReceiver:
    """The receiving end of the node's topics.

    Its callbacks run in the executor's thread, its other methods in the caller's. `answers` has
    an entry for each asked() whose mask and timing have come; `last_mask` is the newest;
    `reports_received` counts the node's reports on /diagnostics.
    """

    def __init__(self, node: Node, node_name: str) -> None:
        self._node, self._node_name = node, node_name
        self._news = threading.Condition()
        self._open: dict[int, _Request] = {}
        self.answers: list[AnswerMoments] = []
        self.last_mask: Image | None = None
        self.refusal = ""
        self.node_report: NodeReport | None = None
        self.reports_received = 0
        self.answer_topics = (f"{node_name}/mask", f"{node_name}/debug/timing")
        mask, timing = self.answer_topics
        node.create_subscription(Image, mask, self._mask_came, _QOS)
        node.create_subscription(FrameTiming, timing, self._timing_came, _QOS)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics_came, _QOS)
        status = f"{node_name}/prompt/status"
        node.create_subscription(PromptStatus, status, self._status_came, _QOS)

    @property
    def is_connected(self) -> bool:
        """Whether all answers can be received."""
        return all(self._node.count_publishers(topic) > 0 for topic in self.answer_topics)

    def asked(self, stamp_ns: int) -> None:
        """Record a frame, or a click on one, right before it is published."""
        with self._news:
            self._open[stamp_ns] = _Request(time.time_ns())

    def published(self, stamp_ns: int) -> None:
        """Record the same right after it was published."""
        now = time.time_ns()
        with self._news:
            request = self._open[stamp_ns]
            request.published = now
            self._settle(stamp_ns, request)

    def begin(self) -> None:
        """Forget what was asked and answered so far."""
        with self._news:
            self._open.clear()
            self.answers = []
            self.refusal = ""

    def is_answered(self, stamp_ns: int) -> bool:
        return stamp_ns not in self._open

    def wait_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until done() is true, checked at each message; return whether it became true."""
        with self._news:
            return self._news.wait_for(done, seconds)

    def _mask_came(self, message: Image, info: Any) -> None:
        now = time.time_ns()
        moments = (info["source_timestamp"], info["received_timestamp"], now)
        if not all(moments):
            raise NodeBenchError(
                "this RMW does not report when a message was sent and received: use "
                "RMW_IMPLEMENTATION=rmw_fastrtps_cpp"
            )
        with self._news:
            self.last_mask = message
            request = self._open.get(nanoseconds(message.header.stamp))
            if request is not None:
                request.mask = moments
                self._settle(nanoseconds(message.header.stamp), request)

    def _timing_came(self, message: FrameTiming, info: Any) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        with self._news:
            request = self._open.get(stamp_ns)
            if request is not None:
                request.timing = (message, info["source_timestamp"])
                self._settle(stamp_ns, request)

    def _settle(self, stamp_ns: int, request: _Request) -> None:
        """Complete the request once mask, timing and publishing time are known."""
        sent, published = request.sent, request.published
        if published is None or request.mask is None or request.timing is None:
            return
        self.answers.append(AnswerMoments(sent, published, *request.mask, *request.timing))
        del self._open[stamp_ns]
        self._news.notify_all()

    def _status_came(self, message: PromptStatus) -> None:
        if not message.accepted:
            with self._news:
                self.refusal = f"{message.prompt_id}: {message.reason}"
                self._news.notify_all()

    def _diagnostics_came(self, message: DiagnosticArray) -> None:
        report = read_node_report(message, self._node_name)
        if report is not None:
            with self._news:
                self.node_report = report
                self.reports_received += 1
                self._news.notify_all()
