"""Counts what comes from the node, and keeps none of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sam3_ros.msg import FrameTiming, PromptStatus, Segments, SegmentScores, TrackEvents
from sensor_msgs.msg import Image

from sam3_ros.replay.under_test.diagnostics import NodeReport, read_node_report
from soak.cameras import SoakCamera, stamp_and_frame

NODE = "/segmentation_node"
OUTPUTS = {
    "mask": Image,
    "confidence": Image,
    "overlay": Image,
    "scores": SegmentScores,
    "segments": Segments,
    "tracks": TrackEvents,
    "debug/timing": FrameTiming,
}
_FOREIGN_KEPT = 10


class SoakReceiver:
    """Listens to every output of every camera."""

    def __init__(self, node: Node, cameras: Mapping[str, SoakCamera]) -> None:
        """cameras: by name."""
        self._node, self._cameras = node, cameras
        self._by_frame_id = {camera.frame_id: camera for camera in cameras.values()}
        #: Messages by camera and output.
        self.outputs: Counter[tuple[str, str]] = Counter()
        #: The first outputs whose stamp or frame_id are no input's, and how many there were.
        self.foreign: list[str] = []
        self.foreign_count = 0
        self.statuses: Counter[bool] = Counter()
        #: Called with each status; set by whoever asks.
        self.on_status: Any = lambda _: None
        self.report: NodeReport | None = None
        #: Values of the last report by status, the whole node's under "".
        self.values: dict[str, dict[str, str]] = {}
        self.reports = 0
        deep = QoSProfile(depth=50)
        for name in cameras:
            for output, kind in OUTPUTS.items():
                node.create_subscription(
                    kind, f"{NODE}/{name}/{output}", self._counting(name, output), deep, raw=True
                )
        node.create_subscription(
            PromptStatus, f"{NODE}/prompt/status", self._status_came, QoSProfile(depth=1000)
        )
        node.create_subscription(DiagnosticArray, "/diagnostics", self._report_came, 10)

    @property
    def is_connected(self) -> bool:
        """Whether every output that is listened to has a publisher."""
        return all(
            self._node.count_publishers(f"{NODE}/{name}/{output}")
            for name in self._cameras
            for output in OUTPUTS
        )

    def lost(self, camera: str) -> int:
        """Return how many images of a camera the node knows to be lost on the way."""
        return int(self.values.get(camera, {}).get("images lost", "0"))

    def of_cameras(self, key: str) -> float:
        """Return the sum of a number of all cameras; 0 before the first report."""
        return sum(float(self.values.get(name, {}).get(key, "0")) for name in self._cameras)

    def figure(self, key: str) -> float:
        """Return a number of the node's last report; 0 before the first."""
        return float(self.values.get("", {}).get(key, "0"))

    def _counting(self, name: str, output: str) -> Any:
        def came(serialised: bytes) -> None:
            self.outputs[name, output] += 1
            stamp_ns, frame_id = stamp_and_frame(serialised)
            camera = self._cameras[name]
            if frame_id != camera.frame_id or not camera.has_sent(stamp_ns):
                self.foreign_count += 1
                if len(self.foreign) < _FOREIGN_KEPT:
                    self.foreign.append(f"{name}/{output}: {frame_id!r} at {stamp_ns}")

        return came

    def _status_came(self, status: PromptStatus) -> None:
        self.statuses[status.accepted] += 1
        self.on_status(status)

    def _report_came(self, message: DiagnosticArray) -> None:
        report = read_node_report(message, NODE)
        if report is None:
            return
        self.report = report
        self.reports += 1
        prefix = f"{NODE}: camera "
        for status in message.status:
            name = status.name.removeprefix(prefix) if status.name.startswith(prefix) else ""
            self.values[name] = {entry.key: entry.value for entry in status.values}
