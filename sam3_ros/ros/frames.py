"""A camera's image on its way through the node."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeAlias

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

CameraMessage: TypeAlias = Image | CompressedImage


def nanoseconds(stamp: Time) -> int:
    """A header's stamp as one number; 0 where nobody set it."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


@dataclass(frozen=True, eq=False)
class Frame:
    """A message as it came. camera: its name. received: time.monotonic() seconds."""

    message: CameraMessage
    camera: str = ""
    received: float = field(default_factory=time.monotonic)

    @property
    def header(self) -> Header:
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        return nanoseconds(self.message.header.stamp)
