"""A camera's image on its way through the node."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeAlias

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

CameraMessage: TypeAlias = Image | CompressedImage

OLDEST_STAMP_S = 60.0


def nanoseconds(stamp: Time) -> int:
    """A header's stamp as one number; 0 where nobody set it."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def seconds_since(stamp_ns: int, now_ns: int) -> float | None:
    """From a header's stamp to now, by the clock that both are of.

    None where it tells nothing: without a stamp, with one of the future, and with one so old that
    it must be of another clock, as a bag's is that is played without its own.
    """
    seconds = (now_ns - stamp_ns) / 1e9
    return seconds if stamp_ns and 0.0 <= seconds <= OLDEST_STAMP_S else None


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
