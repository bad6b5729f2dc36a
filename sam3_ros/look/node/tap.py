"""A subscription that may be opened and closed at any time, with the quality that is offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

# A picture that is a few behind is of no use to anybody.
_DEPTH = 5


class Tap:
    """One topic, subscribed to while it is open; for the ROS thread."""

    def __init__(
        self,
        node: Node,
        kind: type[Any],
        topic: str,
        callback: Callable[[Any], None],
        *,
        raw: bool = False,
        depth: int = _DEPTH,
    ) -> None:
        """raw: call back with the serialised message."""
        self._node, self._kind, self.topic = node, kind, topic
        self._callback, self._raw, self._depth = callback, raw, depth
        self._subscription: Any | None = None
        self._reliability = ReliabilityPolicy.RELIABLE

    @property
    def is_open(self) -> bool:
        return self._subscription is not None

    def set_open(self, wanted: bool) -> None:
        """Subscribe or unsubscribe, unless it is so already."""
        if wanted and self._subscription is None:
            self._reliability = self._offered()
            self._subscribe()
        elif not wanted and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def follow_offer(self) -> None:
        """Subscribe anew if the publishers offer another reliability than before.

        A reliable subscription gets nothing from a publisher that is best effort.
        """
        if self._subscription is not None and self._offered() != self._reliability:
            self.set_open(False)
            self.set_open(True)

    def _offered(self) -> ReliabilityPolicy:
        offers = self._node.get_publishers_info_by_topic(self.topic)
        reliable = all(
            offer.qos_profile.reliability == ReliabilityPolicy.RELIABLE for offer in offers
        )
        return ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT

    def _subscribe(self) -> None:
        qos = QoSProfile(depth=self._depth, reliability=self._reliability)
        self._subscription = self._node.create_subscription(
            self._kind, self.topic, self._callback, qos, raw=self._raw
        )
