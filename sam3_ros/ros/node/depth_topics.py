"""A camera's depth and camera_info, subscribed to while somebody listens to a topic in space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.depth.ledger import DepthLedger
from sam3_ros.ros.depth.pairs import DepthMessage, DepthPairs
from sam3_ros.ros.frames.image_subscription import ImageSubscription
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.qos import IMAGE_OVERRIDES

_SECONDS_BETWEEN_LOOKS = 0.2
_COMPRESSED_DEPTH = "compressedDepth"
# Calibration is small and sent with every image; a best effort subscription hears any publisher.
_INFO_QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def depth_topics(node: Node, camera: Camera, transport: str) -> tuple[str, str]:
    """Return the full names of the topics of depth and camera_info.

    Of a camera_info that is not remapped: beside the depth image, as drivers publish it.
    """
    depth = node.resolve_topic_name(camera.depth_topic)
    info = node.resolve_topic_name(camera.info_topic)
    if info == node.resolve_topic_name(camera.info_topic, only_expand=True):
        info = f"{depth.rpartition('/')[0]}/camera_info"
    if transport == _COMPRESSED_DEPTH:
        depth = f"{depth}/{_COMPRESSED_DEPTH}"
    return depth, info


class DepthTopics:
    """The subscriptions of one camera's depth; for the executor's thread."""

    def __init__(
        self,
        node: Node,
        camera: Camera,
        settings: NodeConfiguration,
        pairs: DepthPairs,
        ledger: DepthLedger,
        is_listened_to: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        """is_listened_to: returns whether a topic in space has a subscriber.

        wake: is called when an image that waits for its depth is to be looked at.
        """
        self._node, self._pairs, self._ledger = node, pairs, ledger
        self._reliability = settings.image_reliability
        self._kind: type[Any] = Image
        if settings.depth_transport == _COMPRESSED_DEPTH:
            self._kind = CompressedImage
        self._topic, self._info_topic = depth_topics(node, camera, settings.depth_transport)
        self._is_listened_to, self._wake = is_listened_to, wake
        self._depth: ImageSubscription | None = None
        self._info: Any = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_SECONDS_BETWEEN_LOOKS, self._look, clock=steady)

    @property
    def names(self) -> tuple[str, str]:
        """The full names of the topics of depth and camera_info."""
        return self._topic, self._info_topic

    @property
    def is_subscribed(self) -> bool:
        return self._depth is not None

    def destroy(self) -> None:
        """Destroy the subscriptions."""
        self._node.destroy_timer(self._timer)
        self._unsubscribe()

    def _look(self) -> None:
        is_wanted = self._is_listened_to()
        if is_wanted and not self.is_subscribed:
            self._subscribe()
        elif not is_wanted and self.is_subscribed:
            self._unsubscribe()
        if self.is_subscribed:
            self._wake()  # what has waited too long is given up also where nothing comes

    def _subscribe(self) -> None:
        self._depth = ImageSubscription(
            self._node, self._kind, self._topic, self._reliability, self._on_depth, "depth images"
        )
        self._info = self._node.create_subscription(
            CameraInfo,
            self._info_topic,
            self._pairs.note_info,
            _INFO_QOS,
            qos_overriding_options=IMAGE_OVERRIDES,
        )
        self._ledger.note_subscribed(True)

    def _unsubscribe(self) -> None:
        if self._depth is not None:
            self._depth.destroy()
            self._node.destroy_subscription(self._info)
            self._depth = self._info = None
            self._ledger.note_subscribed(False)
            self._pairs.clear()

    def _on_depth(self, message: DepthMessage, _publisher: bytes, _number: int) -> None:
        self._ledger.count_received()
        if self._pairs.note(message):
            self._wake()
