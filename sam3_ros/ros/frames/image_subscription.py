"""The subscription to a camera's images, as reliable as what publishes them.

A publisher that is best effort reaches no reliable subscription, and one that is reliable loses to
a best effort subscription most images that DDS cuts into fragments, as it does with each that does
not fit its shared memory. Which of them it is becomes known only when the publisher is found.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from sam3_ros.ros.frames.work import CameraMessage
from sam3_ros.ros.message_info import Origin, with_origin
from sam3_ros.ros.qos import IMAGE_OVERRIDES
from sam3_ros.ros.stamps import nanoseconds

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

AUTO, RELIABLE = "auto", "reliable"
_SECONDS_BETWEEN_LOOKS = 0.2
# All publishers must have been reliable for so long: one that restarts changes nothing.
_SECONDS_BEFORE_RELIABLE = 2.0
# The node answers the newest image only, but it sees the others, and counts what it drops.
_DEPTH = 5


class ReliabilityChoice:
    """Chooses by the publishers: reliable, unless one of them is best effort."""

    def __init__(self) -> None:
        self._is_reliable: bool | None = None
        self._all_reliable_since: float | None = None

    def choose(self, offers: Sequence[bool], now: float) -> bool:
        """Return whether to subscribe reliably.

        offers: of each publisher, whether it is reliable; none: the choice stays. now: when they
        were looked up, time.monotonic() s.
        """
        if not offers or not all(offers):
            self._all_reliable_since = None
        elif self._all_reliable_since is None:
            self._all_reliable_since = now
        if self._is_reliable is None:
            self._is_reliable = all(offers)
        elif offers and not all(offers):
            self._is_reliable = False
        elif self._all_reliable_since is not None:
            is_settled = now - self._all_reliable_since >= _SECONDS_BEFORE_RELIABLE
            self._is_reliable = self._is_reliable or is_settled
        return self._is_reliable


class ImageSubscription:
    """Calls back with each image once, while it changes from one reliability to the other too.

    The old subscription stays until the new one has brought an image: no image is lost in between.
    """

    def __init__(
        self,
        node: Node,
        kind: type[Any],
        topic: str,
        reliability: str,
        callback: Callable[[CameraMessage, bytes, int], None],
        what: str = "images",
    ) -> None:
        """Subscribe.

        kind: the class of the messages. reliability: image_reliability. callback: takes a message,
        DDS's id of its publisher, and the number that this gave it; empty and 0 if not known. what:
        the messages are, for people.
        """
        self._node, self._kind, self._topic = node, kind, topic
        self._callback, self._what = callback, what
        self.reliability = reliability
        self._choice = ReliabilityChoice()
        self._old: Subscription | None = None
        self._passed_on: set[tuple[int, int]] = set()
        self._timer: Any = None
        self.is_reliable = reliability == RELIABLE
        if reliability == AUTO:
            self.is_reliable = self._choice.choose(self.publishers(), time.monotonic())
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = node.create_timer(_SECONDS_BETWEEN_LOOKS, self._look, clock=steady)
        self._subscription = self._subscribe()
        self._log(f"{what} come from")

    @property
    def topic_name(self) -> str:
        return self._subscription.topic_name

    def publishers(self) -> list[bool]:
        """Return for each publisher of the topic whether it is reliable."""
        topic = self._node.resolve_topic_name(self._topic)
        found = self._node.get_publishers_info_by_topic(topic)
        best_effort = ReliabilityPolicy.BEST_EFFORT
        return [each.qos_profile.reliability != best_effort for each in found]

    def destroy(self) -> None:
        """Destroy it; no image is passed on afterwards."""
        if self._timer is not None:
            self._node.destroy_timer(self._timer)
        self._destroy_old()
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Subscription:
        reliability = ReliabilityPolicy.RELIABLE
        if not self.is_reliable:
            reliability = ReliabilityPolicy.BEST_EFFORT
        # By default it would warn of what is about to be put right.
        events = SubscriptionEventCallbacks(use_default_callbacks=self.reliability != AUTO)
        made: Subscription | None = None

        def pass_on(message: CameraMessage, origin: Origin) -> None:
            self._on_image(message, origin, made)

        made = self._node.create_subscription(
            self._kind,
            self._topic,
            with_origin(pass_on),
            QoSProfile(depth=_DEPTH, reliability=reliability),
            event_callbacks=events,
            qos_overriding_options=IMAGE_OVERRIDES,
        )
        return made

    def _look(self) -> None:
        wanted = self._choice.choose(self.publishers(), time.monotonic())
        if wanted == self.is_reliable:
            return
        self._destroy_old()
        self._old, self.is_reliable = self._subscription, wanted
        self._subscription = self._subscribe()
        self._log(f"its publishers have changed: {self._what} now come from")

    def _on_image(self, message: CameraMessage, origin: Origin, by: Subscription | None) -> None:
        if self._old is not None:
            # Both subscriptions may bring it.
            name = nanoseconds(message.header.stamp), zlib.crc32(message.data)
            is_new = name not in self._passed_on
            self._passed_on.add(name)
            if by is self._subscription:
                self._destroy_old()
            if not is_new:
                return
        self._callback(message, origin.publisher, origin.number)

    def _destroy_old(self) -> None:
        self._passed_on.clear()
        if self._old is not None:
            self._node.destroy_subscription(self._old)
            self._old = None

    def _log(self, what: str) -> None:
        kind = "reliable" if self.is_reliable else "best effort"
        if self.reliability == AUTO and self.publishers():
            kind += ", as all publishers are" if self.is_reliable else ", as a publisher is"
        self._node.get_logger().info(f"{what} {self.topic_name} ({kind})")
