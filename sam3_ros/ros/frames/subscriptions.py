"""The topics that images come by: one of each camera."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.frames.work import CameraMessage
from sam3_ros.ros.parameters.parameters import NodeConfiguration


class CameraSubscriptions:
    """on_image: called with the camera's name and its message."""

    def __init__(
        self,
        node: Node,
        configuration: NodeConfiguration,
        on_image: Callable[[str, CameraMessage], None],
    ) -> None:
        self._node = node
        self._subscriptions: list[Subscription] = []
        for camera in configuration.camera_set():
            callback = partial(on_image, camera.name)
            self._subscriptions.append(self._subscribe(camera, configuration, callback))

    def destroy(self) -> None:
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _subscribe(
        self,
        camera: Camera,
        configuration: NodeConfiguration,
        callback: Callable[[CameraMessage], None],
    ) -> Subscription:
        """The newest image only: an old one is of no use to a robot."""
        reliable = configuration.image_reliability == "reliable"
        qos = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        # Resolved first, so that remapping `image` carries the compressed topic along.
        topic, kind = self._node.resolve_topic_name(camera.image_topic), Image
        if configuration.image_transport == "compressed":
            topic, kind = f"{topic}/compressed", CompressedImage
        subscription = self._node.create_subscription(kind, topic, callback, qos)
        self._node.get_logger().info(
            f"images come from {subscription.topic_name} ({configuration.image_reliability})"
        )
        return subscription
