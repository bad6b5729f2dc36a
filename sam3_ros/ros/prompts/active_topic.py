"""~/active_prompts, which lists the prompts in use."""

from __future__ import annotations

import time

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.timer import Timer
from std_msgs.msg import Header

from sam3_ros.msg import ActivePrompt as ActivePromptMessage
from sam3_ros.msg import ActivePrompts as ActivePromptsMessage
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.prompts.active import ActivePrompt, ActivePrompts, Snapshot
from sam3_ros.ros.prompts.messages import active_message
from sam3_ros.ros.qos import LATCHED, create_publisher

ACTIVE_PROMPTS = "~/active_prompts"
# A longer list takes milliseconds to publish: of many changes in a row, the last one is told soon.
_LONG = 32
_SECONDS_BETWEEN_LONG = 0.1


class ActivePromptsTopic:
    """Publishes the prompts in use once when it is made, and then at every change.

    Of a long list it leaves out what is changed again within _SECONDS_BETWEEN_LONG.
    """

    def __init__(self, node: Node, prompts: ActivePrompts) -> None:
        self._node = node
        self._prompts = prompts
        self._lock = NodeLock.ACTIVE_PROMPTS_TOPIC.make()
        self._messages: dict[ActivePrompt, ActivePromptMessage] = {}  # each is made only once
        self._listed: Snapshot | None = None
        self._listed_at = float("-inf")
        self._later: Timer | None = None
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._publisher: Publisher | None = create_publisher(
            node, ActivePromptsMessage, ACTIVE_PROMPTS, LATCHED
        )
        prompts.on_change(self._on_change)
        self._on_change()

    def destroy(self) -> None:
        """Destroy the publisher; later changes are not published."""
        with self._lock:
            self._end_waiting()
            if self._publisher is not None:
                self._node.destroy_publisher(self._publisher)
                self._publisher = None

    def _on_change(self) -> None:
        # The list is read inside the lock: of two threads, the one that publishes last has read
        # last, so that an older list never stays on the topic.
        with self._lock:
            if self._publisher is None or self._later is not None:
                return
            is_soon = time.monotonic() < self._listed_at + _SECONDS_BETWEEN_LONG
            if is_soon and len(self._messages) > _LONG:
                self._later = self._node.create_timer(
                    _SECONDS_BETWEEN_LONG, self._on_timer, clock=self._clock
                )
            else:
                self._publish()

    def _on_timer(self) -> None:
        with self._lock:
            self._end_waiting()
            self._publish()

    def _end_waiting(self) -> None:
        if self._later is not None:
            self._node.destroy_timer(self._later)
            self._later = None

    def _publish(self) -> None:
        prompts = self._prompts.all()
        if self._publisher is None or prompts == self._listed:
            return
        made, self._listed = self._messages, prompts
        self._messages = {a: made.get(a) or active_message(a) for a in prompts}
        header = Header(stamp=self._node.get_clock().now().to_msg())
        listed = list(self._messages.values())
        self._publisher.publish(ActivePromptsMessage(header=header, prompts=listed))
        self._listed_at = time.monotonic()
