"""~/active_prompts, which lists the prompts in use."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from sam3_ros.msg import ActivePrompt as ActivePromptMessage
from sam3_ros.msg import ActivePrompts as ActivePromptsMessage
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Snapshot
from sam3_ros.ros.prompts.messages import active_message
from sam3_ros.ros.qos import LATCHED, create_publisher

ACTIVE_PROMPTS = "~/active_prompts"


class ActivePromptsTopic:
    """Publishes the prompts in use once when it is made, and then at every change."""

    def __init__(self, node: Node, prompts: ActivePrompts) -> None:
        self._node = node
        self._prompts = prompts
        self._lock = NodeLock.ACTIVE_PROMPTS_TOPIC.make()
        self._messages: dict[ActivePrompt, ActivePromptMessage] = {}  # each is made only once
        self._listed: Snapshot | None = None
        self._publisher: Publisher | None = create_publisher(
            node, ActivePromptsMessage, ACTIVE_PROMPTS, LATCHED
        )
        prompts.on_change(self._publish)
        self._publish()

    def destroy(self) -> None:
        """Destroy the publisher; later changes are not published."""
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
