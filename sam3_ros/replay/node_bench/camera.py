"""A camera that sends one picture repeatedly."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.node_bench.settings import Transport
from sam3_ros.ros.images.messages import image_message

FRAME_ID = "camera"
# The QoS of camera drivers.
_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_JPEG_QUALITY = 95
# CDR: four bytes for the encoding of the rest, then the stamp's seconds and nanoseconds.
_BEFORE_STAMP, _AFTER_STAMP = 4, 12


class BenchCamera:
    """A camera whose messages are serialised before they are timed: only transport is measured."""

    def __init__(self, node: Node, transport: Transport, encoding: str) -> None:
        """Create the publisher. encoding: of raw images, rgb8 or bgr8."""
        self._transport, self._encoding = transport, encoding
        kind, self.topic = Image, "/image"
        if transport is Transport.COMPRESSED:
            kind, self.topic = CompressedImage, "/image/compressed"
        self._publisher = node.create_publisher(kind, self.topic, _QOS)
        self._serialised = memoryview(b"")

    @property
    def is_heard(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    def show(self, picture_rgb: npt.NDArray[np.uint8]) -> int:
        """Set the picture, uint8 [H, W, 3] RGB; return the size of its messages in bytes."""
        self._serialised = memoryview(serialize_message(self._message(picture_rgb)))
        return len(self._serialised)

    def send(self, on_leaving: Callable[[int], None]) -> int:
        """Publish the picture, stamped now; return the stamp, ns. on_leaving gets it before."""
        stamp_ns = time.time_ns()
        stamp = struct.pack("=iI", *divmod(stamp_ns, NANOSECONDS))
        parts = (self._serialised[:_BEFORE_STAMP], stamp, self._serialised[_AFTER_STAMP:])
        message = b"".join(parts)
        on_leaving(stamp_ns)
        self._publisher.publish(message)
        return stamp_ns

    def _message(self, picture_rgb: npt.NDArray[np.uint8]) -> Image | CompressedImage:
        header = Header(frame_id=FRAME_ID)
        picture_bgr = cv2.cvtColor(picture_rgb, cv2.COLOR_RGB2BGR)
        if self._transport is Transport.COMPRESSED:
            quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
            _, jpeg = cv2.imencode(".jpg", picture_bgr, quality)
            return CompressedImage(header=header, format="jpeg", data=jpeg.tobytes())
        pixels = picture_rgb if self._encoding == "rgb8" else picture_bgr
        return image_message(pixels, self._encoding, header)
