"""What the inference thread works on: a camera's frame, clicks on one seen before, or a call."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeAlias

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam3_ros.ros.frames.one_shot import OneShot
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.stamps import nanoseconds

CameraMessage: TypeAlias = Image | CompressedImage


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera's image as it was received."""

    message: CameraMessage
    #: The camera's name, empty for the only camera.
    camera: str = ""
    #: time.monotonic() seconds.
    received: float = field(default_factory=time.monotonic)

    @property
    def header(self) -> Header:
        return self.message.header

    @property
    def stamp_ns(self) -> int:
        return nanoseconds(self.message.header.stamp)


@dataclass(frozen=True, eq=False)
class Clicks:
    """Prompts to answer together on one frame that was seen."""

    #: The camera's name, empty for the only camera.
    camera: str
    #: Stamp of the frame that the prompts are pinned to.
    stamp_ns: int
    prompts: tuple[ActivePrompt, ...]
    #: time.monotonic() seconds, of the oldest.
    received: float


@dataclass(frozen=True)
class Tidy:
    """A look at what is remembered of objects: prompts, or the node's activity, have changed."""


@dataclass(frozen=True)
class LateDepth:
    """A look at answers that wait for their depth: some came, or time is up."""


Work: TypeAlias = Frame | Clicks | OneShot | Tidy | LateDepth
