"""The replay's end of the node's topics: publishes prompts, receives answers, keeps records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from sam3_ros.msg import Objects3D, PromptStatus, SegmentScores
from sam3_ros.replay.ask.cues import PromptCue
from sam3_ros.replay.bag.stamps import MessageHeader
from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.client.camera_record import CameraRecord
from sam3_ros.replay.client.frame_log import SentFrame
from sam3_ros.replay.client.prompt_publishers import PromptPublishers
from sam3_ros.replay.under_test.diagnostics import NodeReport, read_node_report
from sam3_ros.ros.cameras import Camera

# Deep: messages that have arrived must not be lost while they wait for Python.
_QOS = QoSProfile(depth=100)

OnOverlay = Callable[[str, Image, SentFrame], None]
OnAnswer = Callable[[AnsweredFrame], None]


class ReplayClient:
    """A client of the node.

    Its callbacks run in the executor's thread, its other methods in the caller's.
    """

    def __init__(
        self,
        node: Node,
        node_name: str,
        cameras: Mapping[str, CameraRecord],
        on_overlay: OnOverlay | None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        """Subscribe to the node's answers.

        on_overlay: gets each overlay with its camera and its image; if None, ~/overlay is not
        subscribed to, and the node does no work for it. on_answer: gets each complete answer.
        """
        self.cameras = cameras
        self._node = node
        self._node_name = node_name
        self._news = threading.Condition()
        self._on_overlay = on_overlay
        self._on_answer = on_answer
        self._prompts = PromptPublishers(node, node_name, tuple(cameras))
        self._node_report: NodeReport | None = None
        self._answer_topics: list[str] = []
        self.reports_received = 0
        node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics_came, _QOS)
        status_topic = f"{node_name}/prompt/status"
        node.create_subscription(PromptStatus, status_topic, self._status_came, _QOS)
        for name in cameras:
            self._listen_to(name)

    @property
    def node_report(self) -> NodeReport | None:
        """The node's latest report; None before the first."""
        return self._node_report

    @property
    def is_connected(self) -> bool:
        """Whether the node receives the prompts and all its answers can be received."""
        answers = all(self._node.count_publishers(topic) > 0 for topic in self._answer_topics)
        return answers and self._prompts.are_heard

    @property
    def answering_nodes(self) -> int:
        """Number of nodes that publish masks under the node's name; should be one."""
        return max(self._node.count_publishers(topic) for topic in self._answer_topics)

    @property
    def sent_count(self) -> int:
        return sum(camera.log.sent_count for camera in self.cameras.values())

    @property
    def mask_count(self) -> int:
        """Number of images that were answered."""
        return sum(camera.log.mask_count for camera in self.cameras.values())

    @property
    def click_answers(self) -> int:
        """Number of masks that came for an answered image again, because of a click."""
        return sum(camera.log.click_answers for camera in self.cameras.values())

    @property
    def has_pending_prompts(self) -> bool:
        """Whether the node's status of a prompt or a click's first answer is still to come."""
        return any(camera.pending.has_any for camera in self.cameras.values())

    def ask(self, cue: PromptCue) -> Callable[[], bool]:
        """Publish a prompt; return a test for whether its status or answer is still to come."""
        with self._news:
            now = time.monotonic()
            asked = [(camera, camera.prompt_leaves(cue, now)) for camera in self.cameras.values()]
        self._prompts.publish(cue, max(one.stamp_ns for _, one in asked if one is not None))
        # Before the first image a click cannot be answered: wait only for the node's status.
        waits = [
            partial(
                camera.pending.is_pending if camera.log.newest else camera.pending.is_unconfirmed,
                one.prompt,
            )
            for camera, one in asked
            if one is not None
        ]
        return lambda: any(is_pending() for is_pending in waits)

    def image_leaves(
        self,
        camera: str,
        header: MessageHeader,
        bag_stamp_ns: int,
        loop: int,
        at: float | None = None,
    ) -> None:
        """Record an image right before it is published. at: None is now, NaN is unknown."""
        with self._news:
            now = time.monotonic() if at is None else at
            self.cameras[camera].log.sent(header, bag_stamp_ns, now, loop)

    def wait_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until done() is true, checked at each message; return whether it became true."""
        with self._news:
            return self._news.wait_for(done, seconds)

    def _listen_to(self, name: str) -> None:
        camera = self.cameras[name]
        subscriptions = [
            (SegmentScores, "scores", partial(self._scores_came, camera)),
            (Image, "mask", partial(self._mask_came, camera)),
        ]
        if self._on_overlay is not None:
            subscriptions.append((Image, "overlay", partial(self._overlay_came, camera)))
        if camera.plan.depth is not None:
            subscriptions.append((Objects3D, "objects", partial(self._objects_came, camera)))
        for kind, suffix, callback in subscriptions:
            topic = Camera(name).topic(suffix).replace("~", self._node_name, 1)
            self._node.create_subscription(kind, topic, callback, _QOS)
            self._answer_topics.append(topic)

    def _mask_came(self, camera: CameraRecord, message: Image) -> None:
        now = time.monotonic()
        with self._news:
            answer = camera.mask_came(message, now)
        self._pass_on(answer)

    def _scores_came(self, camera: CameraRecord, message: SegmentScores) -> None:
        with self._news:
            answer = camera.scores_came(message)
        self._pass_on(answer)

    def _objects_came(self, camera: CameraRecord, message: Objects3D) -> None:
        with self._news:
            camera.objects_came(message)

    def _pass_on(self, answer: AnsweredFrame | None) -> None:
        if answer is not None and self._on_answer is not None:
            self._on_answer(answer)
        with self._news:  # after on_answer, so that answers reach it in the order of the replay
            self._news.notify_all()

    def _status_came(self, message: PromptStatus) -> None:
        with self._news:
            for camera in self.cameras.values():
                camera.status_came(message, time.monotonic())
            self._news.notify_all()

    def _overlay_came(self, camera: CameraRecord, message: Image) -> None:
        assert self._on_overlay is not None
        frame = camera.log.sent_frame(message.header)
        if frame is not None:
            self._on_overlay(camera.plan.name, message, frame)

    def _diagnostics_came(self, message: DiagnosticArray) -> None:
        report = read_node_report(message, self._node_name)
        if report is not None:
            with self._news:
                self._node_report = report
                self.reports_received += 1
                self._news.notify_all()
