"""The replay's end of the node's topics: asks, listens, and keeps account."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from sam3_ros.msg import PromptStatus, SegmentScores
from sam3_ros.ros.replay.answered_frame import AnsweredFrame
from sam3_ros.ros.replay.frame_log import FrameLog
from sam3_ros.ros.replay.message_header import MessageHeader
from sam3_ros.ros.replay.node_account import NodeAccount, read_account
from sam3_ros.ros.replay.prompt_cues import PromptCue
from sam3_ros.ros.replay.prompt_judge import PromptJudge
from sam3_ros.ros.replay.prompt_publishers import PromptPublishers

# Deep: what has come and waits for Python must not be lost here.
_QOS = QoSProfile(depth=100)

OnOverlay = Callable[[Image, int], None]
OnAnswer = Callable[[AnsweredFrame], None]


class ReplayClient:
    """Its callbacks run in the executor's thread, its other methods in the caller's.

    on_overlay gets each overlay with the stamp of its image, ns; without it ~/overlay is not
    subscribed to, and the node does no work for it. on_answer gets each answer once it is whole.
    """

    def __init__(
        self,
        node: Node,
        node_name: str,
        judge: PromptJudge,
        on_overlay: OnOverlay | None,
        on_answer: OnAnswer | None = None,
    ) -> None:
        self._node_name = node_name
        self._lock = threading.Lock()
        self._log = FrameLog()
        self._judge = judge
        self._on_overlay = on_overlay
        self._on_answer = on_answer
        self._prompts = PromptPublishers(node, node_name)
        self._account: NodeAccount | None = None
        subscriptions = [
            (DiagnosticArray, "/diagnostics", self._diagnostics_came),
            (PromptStatus, f"{node_name}/prompt/status", self._status_came),
            (SegmentScores, f"{node_name}/scores", self._scores_came),
            (Image, f"{node_name}/mask", self._mask_came),
        ]
        if on_overlay is not None:
            subscriptions.append((Image, f"{node_name}/overlay", self._overlay_came))
        for kind, topic, callback in subscriptions:
            node.create_subscription(kind, topic, callback, _QOS)
        self._answer_topics = [topic for _, topic, _ in subscriptions[2:]]
        self._node = node

    @property
    def account(self) -> NodeAccount | None:
        """The node's latest; None before the first."""
        return self._account

    @property
    def is_connected(self) -> bool:
        """Whether the node hears the prompts and all its answers can be heard."""
        answers = all(self._node.count_publishers(topic) > 0 for topic in self._answer_topics)
        return answers and self._prompts.are_heard

    @property
    def answering_nodes(self) -> int:
        """How many publish masks under the node's name; should be one."""
        return max(self._node.count_publishers(topic) for topic in self._answer_topics)

    @property
    def log(self) -> FrameLog:
        """To be read when nothing comes any more, or for a glance at its counts."""
        return self._log

    def ask(self, cue: PromptCue, bag_stamp_ns: int) -> None:
        """Publish a prompt; bag_stamp_ns as in PromptJudge.published."""
        with self._lock:
            self._judge.published(cue, bag_stamp_ns)
        self._prompts.publish(cue)

    def image_leaves(self, header: MessageHeader, bag_stamp_ns: int) -> None:
        """To be called right before an image is published."""
        with self._lock:
            self._log.sent(header, bag_stamp_ns, time.monotonic())

    def _mask_came(self, message: Image) -> None:
        now = time.monotonic()
        with self._lock:
            answer = self._certain(self._log.mask(message, now))
        self._tell(answer)

    def _scores_came(self, message: SegmentScores) -> None:
        with self._lock:
            answer = self._certain(self._log.scores(message))
        self._tell(answer)

    def _certain(self, answer: AnsweredFrame | None) -> AnsweredFrame | None:
        if answer is None:
            return None
        answer = replace(answer, certain=self._judge.is_certain(answer.sent_at))
        self._judge.answered(answer)
        return answer

    def _tell(self, answer: AnsweredFrame | None) -> None:
        if answer is not None and self._on_answer is not None:
            self._on_answer(answer)

    def _status_came(self, message: PromptStatus) -> None:
        with self._lock:
            self._judge.told(message.prompt_id, message.accepted, message.reason, time.monotonic())

    def _overlay_came(self, message: Image) -> None:
        assert self._on_overlay is not None
        stamp_ns = self._log.sent_stamp(message.header)
        if stamp_ns is not None:
            self._on_overlay(message, stamp_ns)

    def _diagnostics_came(self, message: DiagnosticArray) -> None:
        account = read_account(message, self._node_name)
        if account is not None:
            self._account = account
