"""The node in its own process, between a camera and a receiver, and what it uses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from geometry_msgs.msg import PointStamped
from std_msgs.msg import Header

from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.spinning import SpinningNode
from sam3_ros.replay.node_bench.camera import BenchCamera
from sam3_ros.replay.node_bench.receiver import AnswerReceiver
from sam3_ros.replay.node_bench.settings import NodeBenchError, NodeBenchSettings, Transport
from sam3_ros.replay.play.waits import wait_until, wait_until_active
from sam3_ros.replay.under_test.diagnostics import FrameCounts
from sam3_ros.replay.under_test.node import NodeChild
from sam3_ros.ros.health.memory import resident_bytes

# Fields of /proc/PID/stat after the name in brackets, counted from its state (proc(5)).
_USER_TICKS, _SYSTEM_TICKS = 11, 12
_NODE = "/segmentation_node"
# Discovery here completes a little before discovery at the other end, which cannot be queried.
_MATCHING_SECONDS = 0.5
_DIAGNOSTICS_PERIOD = 0.25
# A frame that is missing from this many reports of the node never reached it.
_SILENT_REPORTS = 3
# Seconds between two checks that the node still runs.
_SLICE = 0.5


@dataclass(frozen=True)
class ProcessUse:
    """CPU time and memory of a process so far."""

    #: Of all its threads.
    cpu_seconds: float
    #: Bytes now.
    resident: int
    #: Bytes at most so far.
    resident_peak: int


def process_use(pid: int) -> ProcessUse:
    """Read what Linux reports about a process. Raises OSError if there is none."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    resident, peak = resident_bytes(pid)
    return ProcessUse(ticks / os.sysconf("SC_CLK_TCK"), resident or 0, peak or 0)


class NodeUnderBench:
    """A running node: `with ExitStack() as stack: NodeUnderBench(settings, transport, stack)`.

    Raises NodeFailedError, with the node's own words, if it does not start or ends.
    """

    def __init__(self, settings: NodeBenchSettings, transport: Transport, stack: ExitStack) -> None:
        """Start the node and wait until it is active and connected."""
        self._patience = settings.patience
        self._spinning = SpinningNode("sam3_ros_bench", settings.domain_id)
        node = self._spinning.node
        self.camera = BenchCamera(node, transport, settings.encoding)
        self.receiver = AnswerReceiver(node, _NODE)
        self._clicks = node.create_publisher(PointStamped, f"{_NODE}/prompt/point", 10)
        stack.enter_context(self._spinning)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        environment = {**os.environ, "ROS_DOMAIN_ID": str(settings.domain_id)}
        arguments = _arguments(settings, transport)
        self._child = NodeChild(arguments, folder / "node.log", environment)
        stack.enter_context(self._child)
        self._wait_until_connected()

    @property
    def use(self) -> ProcessUse:
        return process_use(self._child.pid)

    def send_frame(self) -> int:
        """Publish a frame; return its stamp, ns."""
        self._check()
        stamp_ns = self.camera.send(self.receiver.asked)
        self.receiver.published(stamp_ns)
        return stamp_ns

    def send_click(self, stamp_ns: int, x: float, y: float) -> None:
        """Publish a click on the frame with this stamp; x and y in its pixels."""
        self._check()
        seconds, rest = divmod(stamp_ns, NANOSECONDS)
        header = Header()
        header.stamp.sec, header.stamp.nanosec = seconds, rest
        message = PointStamped(header=header)
        message.point.x, message.point.y = x, y
        self.receiver.asked(stamp_ns)
        self._clicks.publish(message)
        self.receiver.published(stamp_ns)

    def wait_for_answer(self, stamp_ns: int) -> bool:
        """Wait for the answer to a frame; return False if the frame was dropped or lost.

        Raises NodeBenchError if the node refuses what is asked.
        """
        before = self.receiver.reports_received
        self._wait(
            lambda: self._is_settled(stamp_ns) or self._idle_since(before), "an answer to a frame"
        )
        self._refuse_refusal()
        return self.receiver.is_answered(stamp_ns)

    def wait_for_click(self, stamp_ns: int) -> None:
        """Wait for the answer to a click. Raises NodeBenchError if it is refused."""
        self._wait(lambda: self._is_settled(stamp_ns), "an answer to a click")
        self._refuse_refusal()

    def settled_counts(self) -> FrameCounts:
        """Return the node's counts since it started, once it has been idle for a while.

        Raises NodeBenchError if frames or answers of others may be among them.
        """
        before = self.receiver.reports_received
        self._wait(lambda: self._idle_since(before), "the end of the work")
        self._refuse_others()
        assert self.receiver.node_report is not None, "a report has come"
        return self.receiver.node_report.of("")

    def _is_settled(self, stamp_ns: int) -> bool:
        return self.receiver.is_answered(stamp_ns) or bool(self.receiver.refusal)

    def _idle_since(self, before: int) -> bool:
        """Return whether enough reports came since then, the newest without a frame in work."""
        report = self.receiver.node_report
        is_idle = report is not None and report.of("").in_work == 0
        return is_idle and self.receiver.reports_received - before >= _SILENT_REPORTS

    def _refuse_others(self) -> None:
        for topic in (self.camera.topic, *self.receiver.answer_topics):
            if self._spinning.node.count_publishers(topic) > 1:
                raise NodeBenchError(
                    f"another node publishes {topic} in this ROS domain: stop it, or "
                    "choose another domain with --domain"
                )

    def _refuse_refusal(self) -> None:
        if self.receiver.refusal:
            self._refuse_others()
            raise NodeBenchError(
                f"the node refused the prompt of the bench: {self.receiver.refusal}"
            )

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + self._patience
        while not self.receiver.wait_until(done, _SLICE):
            self._check()
            if time.monotonic() > end:
                raise self._child.failed(f"waited {self._patience:g} s for {what} of the node")

    def _wait_until_connected(self) -> None:
        wait_until_active(self.receiver, self._child, self._check, self._patience)
        wait_until(
            lambda: (
                self.receiver.is_connected
                and self.camera.is_heard
                and self._clicks.get_subscription_count() > 0
            ),
            self._check,
            self._patience,
            self._child,
            "the node to subscribe to the camera and to publish its answers",
        )
        time.sleep(_MATCHING_SECONDS)
        self._refuse_others()

    def _check(self) -> None:
        self._spinning.check()
        self._child.check()


def _arguments(settings: NodeBenchSettings, transport: Transport) -> list[str]:
    """Return the node's arguments; the user's parameters come last and win."""
    parameters = {
        "image_transport": transport.value,
        "diagnostics_period": str(_DIAGNOSTICS_PERIOD),
        **dict(settings.parameters),
    }
    return ["--ros-args", *(p for k, v in parameters.items() for p in ("-p", f"{k}:={v}"))]
