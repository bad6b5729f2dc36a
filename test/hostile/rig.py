"""The node in a process of its own, and a client that keeps the account of all that it sends."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from node_under_test import ENVIRONMENT, THE_NODE, NodeProcess
from process_samples import MEGABYTE
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sam3_ros.msg import Prompt, Prompts, PromptStatus, Segments, SegmentScores
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from hostile import odd_calls, odd_prompts
from hostile.odd_images import good_message
from hostile.verdict import FRAME_MEMORY_MB
from sam3_ros.replay.under_test.diagnostics import FrameCounts, read_node_report
from sam3_ros.ros.parameters.specs import SPECS, Changes
from sam3_ros.ros.stamps import nanoseconds, time_message

NODE = "/segmentation_node"
CAMERAS = ("front", "left", "right", "rear")
#: An answer that takes longer is a hang, s; where others use the machine, Rig.hang_s may be longer.
HANG_S = 2.0
#: How long to wait for what hangs, before the node is given up, s.
GIVE_UP_S = 30.0
_START_S = 60.0
_AT_ONCE = Duration()
_GOOD_TEXT = "red cube"
_RESET = tuple(
    spec
    for spec in SPECS
    if spec.changes is Changes.ANY_TIME and spec.name not in ("prompts", "frame_memory_mb")
)
_KINDS = {"raw": Image, "compressed": CompressedImage}


class NodeEndedError(Exception):
    """The node's process has ended, or does not answer for GIVE_UP_S."""


class HangError(Exception):
    """An answer took longer than it may; it may have come since."""


class Rig:
    """A running, active node with four cameras: every wait is a wait for an answer of its own."""

    def __init__(self, domain: int, log: Path, hang_s: float = HANG_S) -> None:
        """Start the node. Raises NodeEndedError."""
        self.hang_s = hang_s
        os.environ.update(ENVIRONMENT, ROS_HOME=str(log.parent / "ros_home"))  # keep_prompts
        self.process = NodeProcess(domain, log, THE_NODE, _parameters())
        self.domain = domain
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("stranger", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        deep = QoSProfile(depth=300)
        self.images = {
            transport: {
                camera: self.node.create_publisher(kind, _image_topic(camera, transport), deep)
                for camera in CAMERAS
            }
            for transport, kind in _KINDS.items()
        }
        self.prompts = {
            name: self.node.create_publisher(kind, f"{NODE}/{name}", deep)
            for name, kind in _prompt_topics().items()
        }
        # Whoever sends an empty message is not heard any more by Fast DDS: no matter for these.
        self.vandals = {
            name: self.node.create_publisher(kind, name, deep) for name, kind in _topics().items()
        }
        self.clients = {
            name: self.node.create_client(kind, f"{NODE}/{name}")
            for name, kind in {**odd_calls.KINDS, "change_state": ChangeState}.items()
        }
        self.transport = "raw"
        #: Images sent, by camera.
        self.sent: Counter[str] = Counter()
        #: Images that were counted as lost, by camera.
        self.written_off: Counter[str] = Counter()
        self.counts: Mapping[str, FrameCounts] = {}
        self.lost: dict[str, int] = dict.fromkeys(CAMERAS, 0)
        self.state = ""
        self.reports = 0
        #: Of the last report.
        self.values: dict[str, str] = {}
        #: The longest time between two reports of the node since it was last set to 0, s.
        self.silence = 0.0
        self._reported = 0.0
        self.statuses: list[PromptStatus] = []
        self.masks: dict[int, bytes] = {}
        self._stamp_ns = time.time_ns()
        self._wanted: set[int] = set()
        # Of the topics of vandals, those that an empty message has stopped.
        self._unheard: set[str] = set()
        self._listen()
        self.wait(self._is_ready, _START_S)
        self.begin_account()
        self.silence = 0.0

    @property
    def pid(self) -> int:
        return self.process.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.process.poll() is None

    def next_stamp(self) -> int:
        """Return a stamp that no image had, ns; images with it are in order."""
        self._stamp_ns += 33_000_000
        return self._stamp_ns

    def wait(self, done: Callable[[], Any], seconds: float | None = None) -> Any:
        """Spin until done() is true and return its value; hang_s at most by default.

        Raises NodeEndedError if the node ends, HangError if it takes longer.
        """
        seconds = self.hang_s if seconds is None else seconds
        end = time.monotonic() + seconds
        while not (value := done()):
            if not self.is_alive:
                raise NodeEndedError(f"the node ended with {self.process.process.poll()}")
            if time.monotonic() > end:
                raise HangError(f"no answer within {seconds:g} s")
            self.spin(0.02)
        return value

    def spin(self, seconds: float) -> None:
        """Let one message in, or wait for one."""
        self._executor.spin_once(timeout_sec=seconds)

    def call(self, name: str, request: Any, seconds: float | None = None) -> Any:
        """Return the response of a service of the node. Raises as wait does."""
        future = self.clients[name].call_async(request)
        try:
            self.wait(future.done, seconds)
        except HangError:
            self.clients[name].remove_pending_request(future)
            raise
        return future.result()

    def send(self, camera: str, message: Any) -> None:
        """Publish an image, or bytes in place of one, as the node takes images now."""
        self.sent[camera] += 1
        self.images[self.transport][camera].publish(message)

    def is_settled(self, camera: str) -> bool:
        """Return whether every image that was sent has been received and is done."""
        counts = self.counts.get(camera)
        return counts is not None and counts.received >= self.sent[camera] and counts.in_work == 0

    def vandalise(self, topic: str, content: bytes) -> None:
        """Publish bytes as a message on a topic of prompts, or as an image of a camera.

        Raises NodeEndedError, HangError if DDS does not bring them to the node.
        """
        name = _image_topic(topic, self.transport) if topic in CAMERAS else f"{NODE}/{topic}"
        if not content:
            self._unheard.add(name)
        with suppress(rclpy_implementation.RCLError):  # an empty one has stopped its publisher
            self.vandals[name].publish(content)
        if name not in self._unheard:
            self._wait_until_delivered([self.vandals[name]])

    def settle(self, cameras: Sequence[str], seconds: float = GIVE_UP_S) -> list[str]:
        """Wait until all is done; return the cameras of which an image was lost on the way.

        Raises NodeEndedError; HangError if an image is in work after that time, or if one is
        neither received nor counted as lost.
        """
        with suppress(HangError):
            self.wait(lambda: all(self.is_settled(camera) for camera in cameras), seconds)
            return []
        late = [camera for camera in cameras if not self.is_settled(camera)]
        if any(self.counts[camera].in_work for camera in late):
            raise HangError(f"an image took longer than {seconds:g} s")
        return [camera for camera in late if self._find_lost(camera)]

    def _find_lost(self, camera: str) -> int:
        """Send images until one is received: then the number of DDS tells what was lost before."""
        lost, received = self.lost[camera], self.counts[camera].received

        def is_told() -> bool:
            """Return whether one was received, and all that were not are counted as lost."""
            now = self.counts[camera].received
            return now > received and self.sent[camera] - now <= self.lost[camera] - lost

        for _ in range(5):
            self.send(camera, good_message(self.transport))
            with suppress(HangError):
                self.wait(is_told)
                break
        self.wait(lambda: self.counts[camera].in_work == 0, GIVE_UP_S)
        missing = self.sent[camera] - self.counts[camera].received
        if missing > self.lost[camera] - lost:
            raise HangError(
                f"{missing} images of {camera} were neither received nor counted as lost"
            )
        self.written_off[camera] += max(missing, 0)
        self.resync(camera)
        return missing

    def wait_until_quiet(self) -> None:
        """Wait until all images are with the node, which three reports say has none in work.

        Raises as wait does.
        """
        # DDS sends again what a busy machine has missed, but up to three seconds later.
        self._wait_until_delivered(self.images[self.transport].values())
        # Reports of before may still be on their way.
        begin = time.time()
        same, seen, reports = 0, None, self.reports
        end = time.monotonic() + GIVE_UP_S
        while same < 3:
            self.wait(lambda: self.reports > reports and self._reported > begin, GIVE_UP_S)  # noqa: B023, called at once
            reports, before = self.reports, seen
            seen = {camera: counts.received for camera, counts in self.counts.items()}
            is_idle = not any(counts.in_work for counts in self.counts.values())
            same = same + 1 if is_idle and seen == before else 0
            if time.monotonic() > end:
                raise HangError("frames are still in work")

    def _wait_until_delivered(self, publishers: Iterable[Any]) -> None:
        """Wait until what was published is with the node. Raises as wait does."""
        for each in publishers:
            self.wait(lambda each=each: each.wait_for_all_acked(_AT_ONCE), GIVE_UP_S)

    def resync(self, camera: str) -> None:
        """Begin the account of a camera's images anew."""
        self.sent[camera] = self.counts[camera].received

    def prompt(self, topic: str, message: Any, seconds: float | None = None) -> PromptStatus:
        """Publish a prompt and return the first status that it brings. Raises as wait does."""
        before = len(self.statuses)
        self.prompts[topic].publish(message)
        self.wait(lambda: len(self.statuses) > before, seconds)
        return self.statuses[before]

    def ask_good(self) -> None:
        """Ask for one text alone, by the parameters as they come. Raises as wait does."""
        values = [Parameter(s.name, value=_value(s.default)) for s in _RESET]
        values += [Parameter("frame_memory_mb", value=FRAME_MEMORY_MB)]
        values += [Parameter("use_sim_time", value=False)]
        request = SetParametersAtomically.Request(
            parameters=[value.to_parameter_msg() for value in values]
        )
        result = self.call("set_parameters_atomically", request, GIVE_UP_S).result
        if not result.successful:
            raise AssertionError(f"the defaults were refused: {result.reason}")
        token = f"good {self.next_stamp()}"
        message = Prompts(header=Header(frame_id=token), action=Prompts.REPLACE)
        message.prompts = [Prompt(id="good", text=_GOOD_TEXT)]
        self.prompts["prompts"].publish(message)
        status = self.wait(
            lambda: next((s for s in self.statuses if s.header.frame_id == token), None), GIVE_UP_S
        )
        if not status.accepted:
            raise AssertionError(f"the good prompt was refused: {status.reason}")
        self.statuses.clear()

    def mask_of(self, camera: str, message: Any) -> np.ndarray:
        """Send an image until it is answered and return its mask, uint8 [H, W].

        Raises as settle does, and HangError if it is received and its mask does not come.
        """
        for _ in range(3):
            message.header = Header(frame_id=camera, stamp=time_message(self.next_stamp()))
            stamp_ns = nanoseconds(message.header.stamp)
            self._wanted.add(stamp_ns)
            before = self.counts.get(camera)
            self.send(camera, message)
            try:
                self.wait(lambda stamp_ns=stamp_ns: stamp_ns in self.masks, 2 * self.hang_s)
            except HangError as error:
                if self.settle([camera]):
                    continue
                account = self.counts[camera].since(before) if before else self.counts[camera]
                raise HangError(f"no mask of a good frame: {account}") from error
            self._wanted.clear()
            mask = deserialize_message(self.masks.pop(stamp_ns), Image)
            return np.frombuffer(mask.data, np.uint8).reshape(mask.height, mask.width)
        raise HangError("three good frames in turn were lost on the way")

    def change_transport(self, transport: str) -> None:
        """Let the node take images raw or compressed. Raises as wait does."""
        if transport == self.transport:
            return
        self.drive_to("unconfigured")
        value = Parameter("image_transport", value=transport).to_parameter_msg()
        request = SetParametersAtomically.Request(parameters=[value])
        result = self.call("set_parameters_atomically", request, GIVE_UP_S).result
        assert result.successful, result.reason
        self.transport = transport
        self.drive_to("active")
        self.begin_account()

    def drive_to(self, wanted: str) -> None:
        """Bring the node to a state, from whichever it is in. Raises as wait does."""
        ways = {
            ("unconfigured", "inactive"): "configure",
            ("unconfigured", "active"): "configure",
            ("inactive", "active"): "activate",
            ("active", "inactive"): "deactivate",
            ("active", "unconfigured"): "deactivate",
            ("inactive", "unconfigured"): "cleanup",
        }
        end = time.monotonic() + GIVE_UP_S
        while True:
            state = self.call("get_state", GetState.Request(), GIVE_UP_S).current_state.label
            if state == wanted:
                return
            if time.monotonic() > end:
                raise HangError(f"the node is {state}, and does not become {wanted}")
            request = ChangeState.Request()
            request.transition.label = ways.get((state, wanted), "")
            if request.transition.label:
                self.call("change_state", request, GIVE_UP_S)
            else:  # a transition is on its way
                self.spin(0.1)

    def begin_account(self) -> None:
        """Begin the account of images anew, once the active node hears those of every camera.

        Raises as wait does.
        """
        publishers = [*self.images[self.transport].values(), *self.prompts.values()]
        self.wait(lambda: all(each.get_subscription_count() for each in publishers), GIVE_UP_S)
        self.wait_until_quiet()
        for camera in CAMERAS:
            self._wait_until_heard(camera)
        self.wait_until_quiet()
        for camera in CAMERAS:
            self.resync(camera)

    def _wait_until_heard(self, camera: str) -> None:
        """Send images until one is received: each end discovers the other by itself."""
        received = self.counts[camera].received
        end = time.monotonic() + GIVE_UP_S
        while self.counts[camera].received == received:
            if time.monotonic() > end:
                raise HangError(f"no image of {camera} is received")
            self.send(camera, good_message(self.transport))
            with suppress(HangError):
                self.wait(lambda: self.counts[camera].received > received, 1.0)

    @property
    def prompts_lost(self) -> int:
        """How many prompts the node knows to be lost on the way."""
        return int(self.values.get("prompt messages lost", "0"))

    def peak_mb(self) -> float:
        """Return the most that was resident since the last call, MB, and begin anew."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")
        return int(peak.split()[1]) * 1024 / MEGABYTE

    def close(self) -> int:
        """End the node and return its exit code."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        code = self.process.stop() if self.is_alive else self.process.process.returncode
        return int(code)

    def _listen(self) -> None:
        deep = QoSProfile(depth=300)
        for camera in CAMERAS:
            topic = f"{NODE}/{camera}/mask"
            self.node.create_subscription(Image, topic, self._mask_came, deep, raw=True)
        for camera, output, kind in (
            *(("front", "overlay", Image), ("left", "segments", Segments)),
            *(("right", "confidence", Image), ("rear", "scores", SegmentScores)),
        ):
            topic = f"{NODE}/{camera}/{output}"
            self.node.create_subscription(kind, topic, lambda _: None, deep, raw=True)
        self.node.create_subscription(
            PromptStatus, f"{NODE}/prompt/status", self.statuses.append, QoSProfile(depth=2000)
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._report_came, deep)

    def _mask_came(self, serialised: bytes) -> None:
        if self._wanted:
            seconds = int.from_bytes(serialised[4:8], "little", signed=True)
            stamp_ns = seconds * 10**9 + int.from_bytes(serialised[8:12], "little")
            if stamp_ns in self._wanted:
                self.masks[stamp_ns] = serialised

    def _report_came(self, message: DiagnosticArray, info: Any) -> None:
        sent = info["source_timestamp"] / 1e9  # when it came says how busy this process was
        self.silence = max(self.silence, sent - (self._reported or sent))
        self._reported = sent
        report = read_node_report(message, NODE)
        if report is None:
            return
        self.reports += 1
        self.counts, self.state = report.cameras, report.state
        prefix = f"{NODE}: camera "
        for status in message.status:
            values = {entry.key: entry.value for entry in status.values}
            if status.name == f"{NODE}: segmentation":
                self.values = values
            elif status.name.startswith(prefix):
                self.lost[status.name.removeprefix(prefix)] = int(values["images lost"])

    def _is_ready(self) -> bool:
        return (
            self.state == "active"
            and all(client.service_is_ready() for client in self.clients.values())
            and all(publisher.get_subscription_count() for publisher in self.prompts.values())
            and all(each.get_subscription_count() for each in self.images["raw"].values())
        )


def _image_topic(camera: str, transport: str) -> str:
    return f"/{camera}/image" + ("/compressed" if transport == "compressed" else "")


def _prompt_topics() -> dict[str, Any]:
    of_cameras = {
        f"{camera}/{name}": kind
        for camera in CAMERAS
        for name, kind in odd_prompts.KINDS.items()
        if name != "prompts"
    }
    return {**odd_prompts.KINDS, **of_cameras}


def _topics() -> dict[str, Any]:
    """Return every topic that the node hears, by its full name."""
    images = {_image_topic(c, transport): k for transport, k in _KINDS.items() for c in CAMERAS}
    return {**images, **{f"{NODE}/{name}": kind for name, kind in _prompt_topics().items()}}


def _parameters() -> dict[str, str]:
    return {
        "cameras": f"[{', '.join(CAMERAS)}]",
        "diagnostics_period": "0.1",
        "frame_memory_mb": str(FRAME_MEMORY_MB),
        "prompts": f"[{_GOOD_TEXT}]",
    }


def _value(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default
