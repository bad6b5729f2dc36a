"""What a running node says and finds, for the command that has started it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from sam3_ros.msg import ActivePrompts, SegmentScores
from sam3_ros.replay.under_test.diagnostics import NodeReport, read_node_report
from sam3_ros.ros.qos import LATCHED
from sam3_ros.ros.stamps import nanoseconds, seconds_since
from sam3_ros.topics.listening import spin_for

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_SCORES = "sam3_ros/msg/SegmentScores"
_QOS = QoSProfile(depth=20)


@dataclass(frozen=True)
class Sight:
    """What was found since the last time."""

    #: Images that were answered.
    answers: int = 0
    seconds: float = 0.0
    #: By label, of the last answer: how many, and the best score. Those not found are there too.
    found: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    #: Median from the stamp to here, s; None if the stamps are of another clock.
    latency: float | None = None

    def __str__(self) -> str:
        if not self.answers:
            return "no answer yet"
        rate = f"{self.answers / self.seconds:.1f} images/s" if self.seconds else ""
        latency = "" if self.latency is None else f"{self.latency * 1000:.0f} ms"
        words = [
            f"{label}: {count} ({best:.2f})" if count else f"{label}: 0"
            for label, (count, best) in self.found.items()
        ]
        return "  ".join(filter(None, (rate, latency, ", ".join(words) or "nothing is asked")))


class NodeWatch:
    """Listens to a node by its full name; the caller's thread runs the callbacks."""

    def __init__(self, node: Node, context: Context, name: str) -> None:
        self.node, self._name = node, name
        self._answer_topics: set[str] = set()
        #: The node's last report; None before the first.
        self.report: NodeReport | None = None
        self._labels: tuple[str, ...] = ()
        self._answers: deque[tuple[SegmentScores, float | None]] = deque()
        self._since = time.monotonic()
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, _QOS)
        node.create_subscription(ActivePrompts, f"{name}/active_prompts", self._on_prompts, LATCHED)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)

    def close(self) -> None:
        self._executor.shutdown()

    @property
    def namesakes(self) -> int:
        """How many nodes of this name are known."""
        names = (
            f"{namespace.rstrip('/')}/{name}"
            for name, namespace in self.node.get_node_names_and_namespaces()
        )
        return sum(name == self._name for name in names)

    def wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Run callbacks for some seconds, or until that is true; return whether it is."""
        return spin_for(self._executor, seconds, until)

    def image_topics(self) -> list[str]:
        """Return the topics from which the node takes images, by name."""
        return sorted(
            topic
            for topic, types in self.node.get_topic_names_and_types()
            if set(types) & set(IMAGE_TYPES) and self._is_subscribed(topic)
        )

    def _is_subscribed(self, topic: str) -> bool:
        # By the topic, not by the node: rclpy raises an error for a node that is not known yet,
        # and its report may be here before.
        return any(
            f"{each.node_namespace.rstrip('/')}/{each.node_name}" == self._name
            for each in self.node.get_subscriptions_info_by_topic(topic)
        )

    def listen_to_answers(self) -> None:
        """Subscribe to the scores of all cameras that are known now; the node then works."""
        for topic, types in self.node.get_topic_names_and_types():
            is_answer = topic.startswith(f"{self._name}/") and _SCORES in types
            if is_answer and topic not in self._answer_topics:
                self._answer_topics.add(topic)
                self.node.create_subscription(SegmentScores, topic, self._on_scores, _QOS)

    def prompts(self) -> tuple[str, ...]:
        """Return the labels of the prompts in use."""
        return self._labels

    def sight(self) -> Sight:
        """Return what was found since the last call."""
        answers, self._answers = self._answers, deque()
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        found = dict.fromkeys(self._labels, (0, 0.0))
        seen = [s for s in answers[-1][0].segments if not s.frames_unseen] if answers else []
        for segment in seen:
            count, best = found.get(segment.label, (0, 0.0))
            found[segment.label] = count + 1, max(best, segment.score)
        known = [latency for _, latency in answers if latency is not None]
        return Sight(len(answers), seconds, found, median(known) if known else None)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.report = read_node_report(message, self._name) or self.report

    def _on_prompts(self, message: ActivePrompts) -> None:
        labels = (each.prompt.label or each.prompt.id for each in message.prompts)
        self._labels = tuple(dict.fromkeys(labels))

    def _on_scores(self, message: SegmentScores) -> None:
        now_ns = self.node.get_clock().now().nanoseconds
        stamp_ns = nanoseconds(message.header.stamp)
        self._answers.append((message, seconds_since(stamp_ns, now_ns)))
