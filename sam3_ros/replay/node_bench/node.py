"""What another process has used of the machine, as Linux tells it."""

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


@dataclass(frozen=True)
class ProcessUse:
    """cpu_seconds: of all its threads so far. Resident: bytes, now and the most so far."""

    cpu_seconds: float
    resident: int
    resident_peak: int


def process_use(pid: int) -> ProcessUse:
    """Raises OSError if there is no such process."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    resident, peak = resident_bytes(pid)
    return ProcessUse(ticks / os.sysconf("SC_CLK_TCK"), resident or 0, peak or 0)


_NODE = "/segmentation_node"
# An endpoint is known here a little before it knows of us, and there is no way to ask.
_MATCHING_SECONDS = 0.5
_DIAGNOSTICS_PERIOD = 0.25
# So many of the node's accounts without news of a frame say that it never came there.
_SILENT_REPORTS = 3
# How long a node that has ended may go unnoticed.
_SLICE = 0.5


class NodeUnderBench:
    """`with ExitStack() as stack: NodeUnderBench(settings, transport, stack)`; up once made.

    Raises NodeFailedError, with the node's own words, if it does not come up or ends.
    """

    def __init__(self, settings: NodeBenchSettings, transport: Transport, stack: ExitStack) -> None:
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
        """Its stamp, ns."""
        self._check()
        stamp_ns = self.camera.send(self.receiver.asked)
        self.receiver.published(stamp_ns)
        return stamp_ns

    def send_click(self, stamp_ns: int, x: float, y: float) -> None:
        """On the frame with this stamp; x and y in its pixels."""
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
        """To a frame; False if it was dropped or lost. Raises NodeBenchError if what is asked is
        refused.
        """
        before = self.receiver.reports_received
        self._wait(
            lambda: self._is_settled(stamp_ns) or self._idle_since(before), "an answer to a frame"
        )
        self._refuse_refusal()
        return self.receiver.is_answered(stamp_ns)

    def wait_for_click(self, stamp_ns: int) -> None:
        """Raises NodeBenchError if it is refused."""
        self._wait(lambda: self._is_settled(stamp_ns), "an answer to a click")
        self._refuse_refusal()

    def settled_counts(self) -> FrameCounts:
        """The node's since it started, once nothing is in work and nothing comes any more.

        Raises NodeBenchError if others' frames or answers may be among them.
        """
        before = self.receiver.reports_received
        self._wait(lambda: self._idle_since(before), "an end of its work")
        self._refuse_others()
        assert self.receiver.account is not None, "an account has come"
        return self.receiver.account.of("")

    def _is_settled(self, stamp_ns: int) -> bool:
        return self.receiver.is_answered(stamp_ns) or bool(self.receiver.refusal)

    def _idle_since(self, before: int) -> bool:
        """Accounts enough have come since then, and the newest has no frame in work."""
        account = self.receiver.account
        is_idle = account is not None and account.of("").in_work == 0
        return is_idle and self.receiver.reports_received - before >= _SILENT_REPORTS

    def _refuse_others(self) -> None:
        for topic in (self.camera.topic, *self.receiver.answer_topics):
            if self._spinning.node.count_publishers(topic) > 1:
                raise NodeBenchError(
                    f"another publishes {topic} in this ROS domain: stop it, or choose another "
                    "domain with --domain"
                )

    def _refuse_refusal(self) -> None:
        if self.receiver.refusal:
            self._refuse_others()
            raise NodeBenchError(f"the node refused what the bench asks: {self.receiver.refusal}")

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
    """The user's parameters come last and win."""
    parameters = {
        "image_transport": transport.value,
        "diagnostics_period": str(_DIAGNOSTICS_PERIOD),
        **dict(settings.parameters),
    }
    return ["--ros-args", *(p for k, v in parameters.items() for p in ("-p", f"{k}:={v}"))]
