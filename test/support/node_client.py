"""A client of the node, in a ROS context of its own."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point, PointStamped
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import GetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sam3_ros.msg import FrameTiming, Prompts, PromptStatus, Segments, SegmentScores
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header, String

from sam3_ros.ros.images.messages import image_message

NODE = "/segmentation_node"
OUTPUTS = {
    "mask": (Image, f"{NODE}/mask"),
    "confidence": (Image, f"{NODE}/confidence"),
    "scores": (SegmentScores, f"{NODE}/scores"),
    "segments": (Segments, f"{NODE}/segments"),
    "overlay": (Image, f"{NODE}/overlay"),
    "mask/compressed": (CompressedImage, f"{NODE}/mask/compressed"),
    "overlay/compressed": (CompressedImage, f"{NODE}/overlay/compressed"),
    "timing": (FrameTiming, f"{NODE}/debug/timing"),
}
PROMPT_TOPICS = {
    "text": (String, f"{NODE}/prompt/text"),
    "point": (PointStamped, f"{NODE}/prompt/point"),
    "click": (Point, f"{NODE}/prompt/click"),
    "box": (RegionOfInterest, f"{NODE}/prompt/box"),
    "set": (Prompts, f"{NODE}/prompts"),
}
# Generous, for a busy machine; a test that passes never waits that long.
PATIENCE = 60.0
# The executor takes one of each subscription in turn.
_MESSAGES_BETWEEN_STATUSES = 50
# Humble calls back with the message alone.
_TELLS_WHEN_SENT = hasattr(Subscription, "CallbackType")


class NodeClient:
    """Publishes images and prompts, and keeps what the node answers."""

    def __init__(self, domain: int) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = Node("client", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.frames_sent = 0
        self.outputs: dict[str, list[Any]] = {name: [] for name in OUTPUTS}
        self.statuses: list[PromptStatus] = []
        self.diagnostics: list[DiagnosticStatus] = []  # of the node as a whole
        self._sent_at: list[float] = []  # of each of them, time.time() s
        self.camera_diagnostics: dict[str, list[DiagnosticStatus]] = defaultdict(list)
        deep = QoSProfile(depth=500)
        self._listening: dict[str, Any] = {}
        self.node.create_subscription(
            PromptStatus, f"{NODE}/prompt/status", self.statuses.append, deep
        )
        on_diagnostics = self._on_dated_diagnostics if _TELLS_WHEN_SENT else self._on_diagnostics
        self.node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, deep)
        self._prompts = {
            name: self.node.create_publisher(kind, topic, deep)
            for name, (kind, topic) in PROMPT_TOPICS.items()
        }
        self._images = self.node.create_publisher(Image, "/image", deep)
        self._compressed = self.node.create_publisher(CompressedImage, "/image/compressed", deep)
        self._clients: dict[str, Any] = {}

    def spin_until(self, done: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Spin until done() is true and return its value; fail after `patience` s."""
        end = time.monotonic() + patience
        while not (value := done()):
            assert time.monotonic() < end, f"waited {patience:g} s for {what}"
            self.executor.spin_once(timeout_sec=0.05)
        return value

    def listen(self, *names: str) -> None:
        """Subscribe to these outputs and to no others."""
        for name in set(self._listening) - set(names):
            self.node.destroy_subscription(self._listening.pop(name))
        for name in names:
            kind, topic = OUTPUTS[name]
            if name not in self._listening:
                self._listening[name] = self.node.create_subscription(
                    kind, topic, self.outputs[name].append, QoSProfile(depth=50)
                )
        for name in names:
            topic = OUTPUTS[name][1]
            self.spin_until(lambda topic=topic: self.node.count_publishers(topic), topic)

    def connected(self, has_diagnostics: bool = True) -> NodeClient:
        """Wait until the node hears everything that is published here, and is heard.

        has_diagnostics: or it is a pipeline alone.
        """
        if has_diagnostics:
            # The node has been told of the other subscriptions before that of /diagnostics.
            self.spin_until(lambda: self.diagnostics, "the first diagnostics")
        publishers = [*self._prompts.values()]
        self.spin_until(
            lambda: all(publisher.get_subscription_count() for publisher in publishers),
            "the node's subscriptions",
        )
        self.spin_until(
            lambda: (
                self._images.get_subscription_count() or self._compressed.get_subscription_count()
            ),
            "the node's image subscription",
        )
        return self

    def header(self) -> Header:
        self.frames_sent += 1
        header = Header(frame_id=f"camera_{self.frames_sent}")
        header.stamp.sec, header.stamp.nanosec = 1000 + self.frames_sent, 123_456_789
        return header

    def send(self, image: Image | CompressedImage | np.ndarray) -> Header:
        """Publish a frame, RGB if it is an array, and return its header."""
        message = image_message(image, "rgb8") if isinstance(image, np.ndarray) else image
        message.header = self.header()
        publisher = self._images if isinstance(message, Image) else self._compressed
        publisher.publish(message)
        return message.header

    def answer(self, image: Image | CompressedImage | np.ndarray, *names: str) -> dict[str, Any]:
        """Send frames until one is answered on all of these topics; return its answers."""
        self.listen(*names)
        stamps: list[Any] = []

        def answered() -> dict[str, Any] | None:
            for stamp in reversed(stamps):
                found = {name: self._of(name, stamp) for name in names}
                if None not in found.values():
                    return found
            return None

        def sent_and_answered() -> dict[str, Any] | None:
            # Best effort may lose a frame, and a new listener is not known at once.
            stamps.append(self.send(image).stamp)
            end = time.monotonic() + 1.0
            while time.monotonic() < end and not (found := answered()):
                self.executor.spin_once(timeout_sec=0.05)
            return found

        return self.spin_until(sent_and_answered, f"answers on {names}")

    def _of(self, name: str, stamp: Any) -> Any:
        return next((m for m in self.outputs[name] if m.header.stamp == stamp), None)

    def prompt(self, name: str, message: Any) -> list[PromptStatus]:
        """Publish a prompt message and return all statuses that it brings at once."""
        before = len(self.statuses)
        self._prompts[name].publish(message)
        return self.statuses_since(before)

    def statuses_since(self, before: int) -> list[PromptStatus]:
        """Return the statuses from this index on, once the message that brings them is done."""
        self.spin_until(lambda: len(self.statuses) > before, "a prompt status")
        # The node responds after what it does now, and its statuses are here before the response.
        self.call(GetParameters, f"{NODE}/get_parameters", GetParameters.Request())
        count, same = len(self.statuses), 0
        while same < _MESSAGES_BETWEEN_STATUSES:
            self.executor.spin_once(timeout_sec=0)
            same = same + 1 if len(self.statuses) == count else 0
            count = len(self.statuses)
        return self.statuses[before:]

    def ask(self, text: str) -> list[PromptStatus]:
        return self.prompt("text", String(data=text))

    def click(self, x: float, y: float) -> list[PromptStatus]:
        point = PointStamped()
        point.point.x, point.point.y = x, y
        return self.prompt("point", point)

    def publish(self, topic: str, message: Any) -> None:
        """Publish a message on any topic, once it has a subscription."""
        publisher = self._prompts.get(topic)
        if publisher is None:
            publisher = self.node.create_publisher(type(message), topic, QoSProfile(depth=500))
            self._prompts[topic] = publisher
        self.spin_until(publisher.get_subscription_count, f"a subscription of {topic}")
        publisher.publish(message)

    def collect(self, kind: type, topic: str, qos: QoSProfile | int = 50) -> list[Any]:
        """Return a list to which every later message on the topic is appended."""
        messages: list[Any] = []
        self.node.create_subscription(kind, topic, messages.append, qos)
        self.spin_until(lambda: self.node.count_publishers(topic), topic)
        return messages

    def answer_to(self, prompt_id: str, begin: int = 0) -> Segments:
        """Wait for the first of `segments`, from index `begin` on, that answers the prompt."""

        def found() -> Segments | None:
            for message in self.outputs["segments"][begin:]:
                if any(segment.score.prompt_id == prompt_id for segment in message.segments):
                    return message
            return None

        return self.spin_until(found, f"an answer to {prompt_id!r}")

    def start(self, kind: type, service: str, request: Any) -> Any:
        """Call a service and return the future."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(
                kind, service, qos_profile=QoSProfile(depth=100)
            )
        client = self._clients[service]
        self.spin_until(client.service_is_ready, service)
        return client.call_async(request)

    def call(self, kind: type, service: str, request: Any) -> Any:
        future = self.start(kind, service, request)
        self.spin_until(future.done, f"an answer of {service}")
        return future.result()

    def set_parameters(self, **values: Any) -> SetParametersResult:
        """Set parameters atomically: all of them or none."""
        parameters = [Parameter(name, value=value) for name, value in values.items()]
        request = SetParametersAtomically.Request(
            parameters=[parameter.to_parameter_msg() for parameter in parameters]
        )
        service = f"{NODE}/set_parameters_atomically"
        return self.call(SetParametersAtomically, service, request).result

    def transition(self, label: str) -> bool:
        request = ChangeState.Request()
        request.transition.label = label
        return self.call(ChangeState, f"{NODE}/change_state", request).success

    @property
    def state(self) -> str:
        response = self.call(GetState, f"{NODE}/get_state", GetState.Request())
        return response.current_state.label

    def diagnosed(self, done: Callable[[dict[str, str], DiagnosticStatus], Any]) -> dict[str, str]:
        """Wait for a status sent after this call for which done(values, status) is true.

        Each is looked at once. Return its values by key.
        """
        looked_at, called = len(self.diagnostics), time.time()

        def found() -> dict[str, str] | None:
            nonlocal looked_at
            while looked_at < len(self.diagnostics):
                status, sent_at = self.diagnostics[looked_at], self._sent_at[looked_at]
                looked_at += 1
                values = {entry.key: entry.value for entry in status.values}
                # An older one was on its way while others used the machine.
                if sent_at >= called and done(values, status):
                    return values
            return None

        return self.spin_until(found, "diagnostics")

    def frames_settled(self) -> dict[str, int]:
        """Wait until all frames are with the node, and answered or dropped; return the counts."""
        publishers = (self._images, self._compressed)
        self.spin_until(
            lambda: all(each.wait_for_all_acked(Duration()) for each in publishers),
            "the arrival of the images",
        )
        before: dict[str, int] = {}

        def settled(values: dict[str, str], _: DiagnosticStatus) -> bool:
            nonlocal before
            # The first may have been counted before, and others may wait to be received.
            counts, last = counts_of(values), before
            before = counts
            return counts == last and 2 * counts["received"] == sum(counts.values())

        return counts_of(self.diagnosed(settled))

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def _on_dated_diagnostics(self, message: DiagnosticArray, info: dict[str, Any]) -> None:
        self._on_diagnostics(message, info["source_timestamp"] / 1e9)

    def _on_diagnostics(self, message: DiagnosticArray, sent_at: float | None = None) -> None:
        for status in message.status:
            _, camera, name = status.name.partition(": camera ")
            if camera:
                self.camera_diagnostics[name].append(status)
            else:
                self.diagnostics.append(status)
                self._sent_at.append(time.time() if sent_at is None else sent_at)


def counts_of(values: dict[str, str]) -> dict[str, int]:
    """Return the counts of frames: received, answered, and "dropped, ..." for each reason."""
    prefix = "frames "
    return {k.removeprefix(prefix): int(v) for k, v in values.items() if k.startswith(prefix)}
