"""~/active_prompts: what is being asked, for whoever subscribes and whenever it changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from geometry_msgs.msg import Point as PointMessage
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import InteractivePrompt, Prompt
from sam3_ros.msg import ActivePrompt as ActivePromptMessage
from sam3_ros.msg import ActivePrompts as ActivePromptsMessage
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Snapshot

TOPIC = "~/active_prompts"
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class ActivePromptsTopic:
    """Publishes the list once when made, and then at every change."""

    def __init__(self, node: Node, prompts: ActivePrompts) -> None:
        self._node = node
        self._prompts = prompts
        self._lock = threading.Lock()
        self._messages: dict[ActivePrompt, ActivePromptMessage] = {}  # made once for each
        self._listed: Snapshot | None = None
        self._publisher: Publisher | None = node.create_publisher(
            ActivePromptsMessage, TOPIC, LATCHED
        )
        prompts.on_change(self._publish)
        self._publish()

    def destroy(self) -> None:
        with self._lock:
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
                self._publisher = None

    def _publish(self) -> None:
        # The list is read inside the lock: of two threads, the one that publishes last has read
        # last, so that an older list never stays on the topic.
        with self._lock:
            prompts = self._prompts.all()
            if self._publisher is not None and prompts != self._listed:
                made, self._listed = self._messages, prompts
                self._messages = {a: made.get(a) or active_message(a) for a in prompts}
                header = Header(stamp=self._node.get_clock().now().to_msg())
                listed = list(self._messages.values())
                self._publisher.publish(ActivePromptsMessage(header=header, prompts=listed))


def active_message(active: ActivePrompt) -> ActivePromptMessage:
    prompt = prompt_message(active.prompt)
    prompt.camera, prompt.sticky = active.camera or "", active.sticky
    prompt.frames = active.frames
    source = active.source.topic(active.camera)
    return ActivePromptMessage(prompt=prompt, label_value=active.label_value, source=source)


def prompt_message(prompt: Prompt) -> PromptMessage:
    """Of what prompt_from_message makes, it makes the same again."""
    message = PromptMessage(id=prompt.id, label=prompt.label)
    points = [PointMessage(x=x, y=y) for x, y in prompt.points]
    message.positive_points = _with_label(1, points, prompt.point_labels)
    message.negative_points = _with_label(0, points, prompt.point_labels)
    if isinstance(prompt, InteractivePrompt):
        message.boxes = [_box(prompt.box)] if prompt.box is not None else []
        return message
    message.text = prompt.text or ""
    boxes = [_box(box) for box in prompt.exemplars]
    message.boxes = _with_label(1, boxes, prompt.exemplar_labels)
    message.negative_boxes = _with_label(0, boxes, prompt.exemplar_labels)
    return message


def _with_label(wanted: int, messages: Sequence, labels: Sequence[int]) -> list:
    return [message for message, label in zip(messages, labels, strict=True) if label == wanted]


def _box(box: Box) -> BoxMessage:
    x_min, y_min, x_max, y_max = map(float, box.as_tuple())
    return BoxMessage(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)
