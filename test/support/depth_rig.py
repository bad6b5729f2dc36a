"""A camera with depth beside a node, seen from outside: images, depth, calibration, answers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from camera_rig import CameraRig
from node_client import NODE, NodeClient
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.stamps import time_message

#: px, for images of 128x96 px.
FOCAL, MIDDLE_X, MIDDLE_Y = 100.0, 63.5, 47.5


def camera_info(size: tuple[int, int], header: Header, **fields: Any) -> CameraInfo:
    """Return the calibration of a camera without a lens; size: (height, width)."""
    k = [FOCAL, 0.0, MIDDLE_X, 0.0, FOCAL, MIDDLE_Y, 0.0, 0.0, 1.0]
    height, width = size
    info = CameraInfo(header=header, height=height, width=width, k=k, d=[0.0] * 5)
    info.distortion_model = "plumb_bob"
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def compressed_depth(values: np.ndarray, header: Header) -> CompressedImage:
    """Return uint16 millimetres, or float32 metres, as compressed_depth_image_transport does."""
    a, b, encoding, levels = 0.0, 0.0, "16UC1", values
    if values.dtype == np.float32:
        # Its defaults: depth_quantization 100, depth_max 10.
        a = 100.0 * 101.0
        b = 1.0 - a / 10.0
        measured = np.isfinite(values) & (values < 10.0)
        quantised = a / np.where(measured, values, 1.0) + b
        levels = np.where(measured, quantised, 0).astype(np.uint16)
        encoding = "32FC1"
    picture = cv2.imencode(".png", levels)[1].tobytes()
    data = struct.pack("<iff", 0, a, b) + picture
    return CompressedImage(header=header, format=f"{encoding}; compressedDepth", data=data)


def cloud_fields(message: Any) -> dict[str, np.ndarray]:
    """Return the fields of a PointCloud2 by name, [H, W], read by their offsets alone."""
    kinds = {7: "f4", 6: "u4"}
    order = ">" if message.is_bigendian else "<"
    layout = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [f"{order}{kinds[field.datatype]}" for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    assert message.row_step == message.point_step * message.width
    assert len(message.data) == message.row_step * message.height
    points = np.frombuffer(message.data, layout).reshape(message.height, message.width)
    return {name: points[name] for name in points.dtype.names}


class DepthRig:
    """A camera of the node; the name is empty for the only one."""

    def __init__(self, client: NodeClient, name: str = "", compressed: bool = False) -> None:
        """compressed: publish depth/compressedDepth."""
        self.client = client
        self._of = f"/{name}" if name else ""
        self.frame_id = f"{name or 'camera'}_optical"
        deep, node = QoSProfile(depth=200), client.node
        self._images = node.create_publisher(Image, f"{self._of}/image", deep)
        self.depth_topic = f"{self._of}/depth{'/compressedDepth' if compressed else ''}"
        kind = CompressedImage if compressed else Image
        self._depth = node.create_publisher(kind, self.depth_topic, deep)
        self._info = node.create_publisher(CameraInfo, f"{self._of}/camera_info", deep)
        self.heard: dict[str, list[Any]] = {}
        self._subscriptions: dict[str, Any] = {}
        self.stamp = 1000.0
        client.spin_until(self._images.get_subscription_count, f"the node at {self._of}/image")

    header = CameraRig.header

    def next_stamp(self) -> float:
        """Return a stamp, s, that is a tenth later than the one before."""
        self.stamp += 0.1
        return self.stamp

    def listen(self, **kinds: type[Any]) -> None:
        """Subscribe to these outputs, by name, and to no others; wait until the node knows."""
        for name in set(self._subscriptions) - set(kinds):
            self.client.node.destroy_subscription(self._subscriptions.pop(name))
        for name, kind in kinds.items():
            if name not in self._subscriptions:
                kept = self.heard.setdefault(name, [])
                self._subscriptions[name] = self.client.node.create_subscription(
                    kind, f"{NODE}{self._of}/{name}", kept.append, QoSProfile(depth=200)
                )

    def subscribed(self) -> None:
        """Wait until the node has subscribed to depth and calibration."""
        for publisher, what in ((self._depth, "depth"), (self._info, "camera_info")):
            self.client.spin_until(publisher.get_subscription_count, f"the node at {what}")

    def unsubscribed(self) -> None:
        """Wait until it has no more."""
        for publisher, what in ((self._depth, "depth"), (self._info, "camera_info")):
            self.client.spin_until(
                lambda p=publisher: not p.get_subscription_count(), f"the node gone from {what}"
            )

    def send_image(self, stamp: float, rgb: np.ndarray) -> None:
        self._images.publish(image_message(rgb, "rgb8", self.header(stamp)))

    def send_depth(self, stamp: float, values: np.ndarray, frame_id: str = "") -> None:
        """Publish uint16 millimetres or float32 metres."""
        header = self.header(stamp)
        header.frame_id = frame_id or header.frame_id
        if self.depth_topic.endswith("compressedDepth"):
            self._depth.publish(compressed_depth(values, header))
            return
        encoding = "32FC1" if values.dtype == np.float32 else "16UC1"
        self._depth.publish(image_message(values, encoding, header))

    def send_info(self, stamp: float, size: tuple[int, int], **fields: Any) -> None:
        self._info.publish(camera_info(size, self.header(stamp), **fields))

    def send(self, stamp: float, rgb: np.ndarray, depth: np.ndarray) -> None:
        """Publish depth, calibration and image of one stamp, s."""
        self.send_depth(stamp, depth)
        self.send_info(stamp, depth.shape[:2])
        self.send_image(stamp, rgb)

    def of(self, name: str, stamp: float) -> Any:
        """Return what the output says of the image of this stamp, None if nothing came."""
        wanted = time_message(round(stamp * 1000) * 1_000_000)
        return next((m for m in self.heard.get(name, ()) if m.header.stamp == wanted), None)

    def answer(self, name: str, rgb: np.ndarray, depth: np.ndarray) -> Any:
        """Send frames until one is answered on this output; return the message."""
        stamps: list[float] = []

        def sent_and_answered() -> Any:
            stamps.append(self.next_stamp())
            self.send(stamps[-1], rgb, depth)
            return self.soon(lambda: next(filter(None, (self.of(name, s) for s in stamps)), None))

        return self.client.spin_until(sent_and_answered, f"an answer on {name}")

    def soon(self, done: Callable[[], Any], seconds: float = 1.0) -> Any:
        """Spin until done() is true, at most so long; return its value."""
        for _ in range(round(seconds / 0.05)):
            if value := done():
                return value
            self.client.executor.spin_once(timeout_sec=0.05)
        return done()
