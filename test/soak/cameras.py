"""Cameras that send for hours and keep nothing: a stamp tells by itself whether it was sent."""

from __future__ import annotations

import struct
import time

import cv2
import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.ros.images.messages import image_message

NANOSECONDS = 1_000_000_000
# CDR: four bytes about the rest, then the stamp's seconds and nanoseconds, then the frame_id.
_BEFORE_STAMP, _AFTER_STAMP = 4, 12
_VARIANTS = 6


class SoakCamera:
    """Sends pictures at a steady rate, with stamps at exactly that rate.

    A camera that was held up goes on from there: its stamps then lag behind the clock, but none is
    left out, so that what is missing in the node was lost on the way.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        number: int,
        rate: float,
        picture_rgb: npt.NDArray[np.uint8],
        transport: str,
    ) -> None:
        """number: keeps its stamps apart from other cameras'. transport: raw or compressed."""
        self.name, self.frame_id = name, f"{name}_optical"
        kind, topic = (Image, f"/{name}/image")
        if transport == "compressed":
            kind, topic = CompressedImage, f"/{name}/image/compressed"
        self._publisher = node.create_publisher(kind, topic, QoSProfile(depth=5))
        self._period_ns = round(NANOSECONDS / rate)
        self._first_ns = time.time_ns() // 1_000_000 * 1_000_000 + number
        self._messages = _serialised(picture_rgb, self.frame_id, transport)
        self.size = picture_rgb.shape[1], picture_rgb.shape[0]
        self.sent = 0
        self._due = time.monotonic()

    @property
    def is_heard(self) -> bool:
        return self._publisher.get_subscription_count() > 0

    @property
    def due(self) -> float:
        """When the next image is to be sent, time.monotonic() s."""
        return self._due

    @property
    def last_stamp_ns(self) -> int:
        """Of the newest image that was sent, ns; 0 before the first."""
        return self._first_ns + (self.sent - 1) * self._period_ns if self.sent else 0

    def begin(self) -> None:
        """Let the first image be due now."""
        self._due = time.monotonic()

    def send(self) -> None:
        """Publish the next image."""
        stamp_ns = self._first_ns + self.sent * self._period_ns
        stamp = struct.pack("=iI", *divmod(stamp_ns, NANOSECONDS))
        message = self._messages[self.sent // 30 % len(self._messages)]
        self._publisher.publish(b"".join((message[:_BEFORE_STAMP], stamp, message[_AFTER_STAMP:])))
        self.sent += 1
        self._due = max(self._due + self._period_ns / NANOSECONDS, time.monotonic())

    def has_sent(self, stamp_ns: int) -> bool:
        """Return whether an image with this stamp was sent."""
        number, rest = divmod(stamp_ns - self._first_ns, self._period_ns)
        return rest == 0 and 0 <= number < self.sent


def stamp_and_frame(serialised: bytes) -> tuple[int, str]:
    """Return stamp, ns, and frame_id of a serialised message that begins with a header."""
    order = "<" if serialised[1] & 1 else ">"
    seconds, rest, length = struct.unpack_from(f"{order}iII", serialised, _BEFORE_STAMP)
    name = serialised[16 : 16 + length].rstrip(b"\0")
    return seconds * NANOSECONDS + rest, name.decode()


def _serialised(
    picture_rgb: npt.NDArray[np.uint8], frame_id: str, transport: str
) -> list[memoryview]:
    """Return some shifted pictures as messages, so that answers and JPEGs differ in size."""
    width = picture_rgb.shape[1]
    shifts = [number * width // (2 * _VARIANTS) for number in range(_VARIANTS)]
    pictures = [np.ascontiguousarray(np.roll(picture_rgb, shift, axis=1)) for shift in shifts]
    header = Header(frame_id=frame_id)
    messages: list[Image | CompressedImage] = []
    for picture in pictures:
        if transport == "compressed":
            _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            messages.append(CompressedImage(header=header, format="jpeg", data=jpeg.tobytes()))
        else:
            messages.append(image_message(picture, "rgb8", header))
    return [memoryview(serialize_message(message)) for message in messages]
