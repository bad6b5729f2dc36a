"""One camera of a node, seen from outside: its images, its clicks, its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from geometry_msgs.msg import PointStamped
from node_client import NODE, NodeClient
from rclpy.qos import QoSProfile
from sam3_ros.msg import FrameTiming, PromptStatus, SegmentScores
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.stamps import time_message

IMAGE_STAGES = {"convert", "preprocess", "image_trunk"}


class CameraRig:
    """A camera of the node; its answers are kept in the order in which they came.

    The name is empty for the only camera.
    """

    def __init__(self, client: NodeClient, name: str = "") -> None:
        self.client = client
        self._of = f"/{name}" if name else ""
        self.frame_id = f"{name or 'camera'}_optical"
        self.masks: list[Image] = []
        self.scores: list[SegmentScores] = []
        self.timings: list[FrameTiming] = []
        self._sent_to_be_heard = 0
        deep, node = QoSProfile(depth=200), client.node
        self._images = node.create_publisher(Image, f"{self._of}/image", deep)
        self._points = node.create_publisher(PointStamped, f"{NODE}{self._of}/prompt/point", deep)
        for kind, suffix, kept in (
            (Image, "mask", self.masks),
            (SegmentScores, "scores", self.scores),
            (FrameTiming, "debug/timing", self.timings),
        ):
            node.create_subscription(kind, f"{NODE}{self._of}/{suffix}", kept.append, deep)
        client.spin_until(self._images.get_subscription_count, f"the node at {self._of}/image")
        client.spin_until(self._points.get_subscription_count, f"the node at {self._of} clicks")
        client.spin_until(self._is_heard, "an answer on each topic")

    def send(self, stamp: float, image: np.ndarray) -> Header:
        """Publish an RGB image with that stamp, s, and return its header."""
        message = image_message(image, "rgb8", self.header(stamp))
        self._images.publish(message)
        return message.header

    def header(self, stamp: float) -> Header:
        """Make one; the stamp, s, is rounded to whole milliseconds."""
        stamp_ns = round(stamp * 1000) * 1_000_000
        return Header(frame_id=self.frame_id, stamp=time_message(stamp_ns))

    def show(self, stamp: int, image: np.ndarray) -> FrameTiming:
        """Send an image, wait for its answer and return the timing."""
        self.send(stamp, image)
        return self.answers(self.timings, stamp, 1)[0]

    def _is_heard(self) -> bool:
        """Send an image; return whether every listener has received an answer."""
        self._sent_to_be_heard += 1
        self.send(self._sent_to_be_heard, np.zeros((96, 128, 3), np.uint8))
        for _ in range(10):
            self.client.executor.spin_once(timeout_sec=0.05)
        return bool(self.masks and self.scores and self.timings)

    def click(self, x: float, y: float, stamp: float = 0) -> PromptStatus:
        """Click on the image of that stamp, s, and return the first status after it."""
        before = len(self.client.statuses)
        self._points.publish(self.point(x, y, stamp))
        return self.client.spin_until(lambda: self.client.statuses[before:], "a status")[0]

    def point(self, x: float, y: float, stamp: float = 0) -> PointStamped:
        point = PointStamped(header=self.header(stamp))
        point.point.x, point.point.y = x, y
        return point

    def answers(self, kept: list[Any], stamp: int, count: int) -> list[Any]:
        """Wait for `count` messages about the image of that stamp, s; return all there are."""

        def done() -> bool:
            return len(_with_stamp(kept, stamp)) >= count

        self.client.spin_until(done, f"{count} answers to the image {stamp}")
        return _with_stamp(kept, stamp)


def stages_of(timing: FrameTiming) -> set[str]:
    return {each.stage for each in timing.stages}


def mask_of_label(mask: Image, value: int | None = None) -> np.ndarray:
    """Return bool[H,W]: where the label image has this value, or any but 0 without one."""
    labels = np.frombuffer(mask.data, np.uint8).reshape(mask.height, mask.width)
    return labels > 0 if value is None else labels == value


def _with_stamp(messages: list[Any], stamp: int) -> list[Any]:
    return [message for message in messages if message.header.stamp.sec == stamp]
