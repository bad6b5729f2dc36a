"""A topic that brings prompts: every message is passed on or refused, and what is lost is counted.

Messages are taken as bytes. Those that are larger than any sensible prompt are refused before they
are read, because that takes a second for each megabyte, and what cannot be read at all is refused
too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.message_info import Origin, with_origin
from sam3_ros.ros.prompts.losses import REMEDY, PromptLosses
from sam3_ros.ros.throttled_log import THROTTLED

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

# A burst waits here until its turn: each message has a status, also where there are thousands. DDS
# takes the memory when they come, not before.
PROMPT_QOS = QoSProfile(depth=10_000)
#: Bytes of a message, as DDS carries it: 254 texts of 200 characters, or 2,500 points. The others
#: wait while it is read, some 10 ms.
MOST_BYTES = 64 * 1024
_OVERRIDES = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)


class PromptSubscription:
    """One topic. Its quality of service may be overridden by parameters, as an output's may."""

    def __init__(
        self,
        node: Node,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        refuse: Callable[[str], None],
    ) -> None:
        """Subscribe.

        kind: the class of the messages. callback: takes each that can be read. refuse: takes the
        reason for one that cannot.
        """
        self._node, self._kind, self.topic = node, kind, topic
        self._callback, self._refuse = callback, refuse
        self.losses = PromptLosses()
        try:
            events = SubscriptionEventCallbacks(message_lost=self._on_lost)
            self._subscription = self._subscribe(events)
        except UnsupportedEventTypeError:  # the middleware cannot tell
            self._subscription = self._subscribe(SubscriptionEventCallbacks())

    def destroy(self) -> None:
        """Destroy it; no message is passed on afterwards."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self, events: Any) -> Subscription:
        return self._node.create_subscription(
            self._kind,
            self.topic,
            with_origin(self._on_bytes),
            copy(PROMPT_QOS),  # rclpy writes the overrides into it
            event_callbacks=events,
            qos_overriding_options=QoSOverridingOptions(_OVERRIDES),
            raw=True,
        )

    def _on_bytes(self, data: bytes, origin: Origin) -> None:
        self._tell_lost(self.losses.note_message(origin, time.monotonic()))
        try:
            message = self._read(data)
        except PromptError as error:
            self._refuse(str(error))
            return
        self._callback(message)

    def _read(self, data: bytes) -> Any:
        if len(data) > MOST_BYTES:
            raise PromptError(
                f"expected a message of at most {MOST_BYTES} bytes on {self.topic}, got one of "
                f"{len(data)}: send it in parts, by the action PUT of ~/prompts"
            )
        try:
            return deserialize_message(data, self._kind)
        except Exception as error:  # rclpy's own, of many kinds
            raise PromptError(
                f"expected a {self._kind.__name__} on {self.topic}, got bytes that are none "
                f"({error}): does the publisher use the same message?"
            ) from error

    def _on_lost(self, event: Any) -> None:
        self._tell_lost(self.losses.note_event(event.total_count, time.monotonic()))

    def _tell_lost(self, more: int) -> None:
        if more:
            self._node.get_logger().warning(
                f"{more} messages on {self.topic} did not arrive: {REMEDY}", **THROTTLED
            )
