"""Settings of a measurement of the node."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.geometry import ImageSize

LEAST_FRAMES = 3


class NodeBenchError(Sam3RosError):
    """A measurement that cannot be run as asked, or whose node does not answer."""


class Transport(Enum):
    """How the camera sends its images."""

    #: sensor_msgs/Image.
    RAW = "raw"
    #: JPEG in a sensor_msgs/CompressedImage.
    COMPRESSED = "compressed"


@dataclass(frozen=True)
class NodeBenchSettings:
    """One measurement; each transport has its own node. Raises NodeBenchError."""

    #: Every transport is measured at every size.
    sizes: tuple[ImageSize, ...]
    transports: tuple[Transport, ...]
    #: Of the raw images.
    encoding: str
    #: Frames a second of the second pace; None measures only "as fast as answered".
    rate: float | None
    #: A case ends after this many frames, or after `seconds` and at least LEAST_FRAMES.
    frames: int
    seconds: float
    #: Clicks on an answered frame, after the frames of a size; 0 for none.
    clicks: int
    #: Of the node, name and value.
    parameters: tuple[tuple[str, str], ...]
    domain_id: int
    #: Longest wait in seconds for the node to be active, and for one answer.
    patience: float = 120.0

    def __post_init__(self) -> None:
        if not self.sizes or not self.transports:
            raise NodeBenchError("expected at least one image size and one transport, got none")
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise NodeBenchError(f"expected a rate above 0 frames a second, got {self.rate}")
        if self.frames < 1 or self.clicks < 0:
            raise NodeBenchError(
                "expected 1 frame or more and 0 clicks or more, got "
                f"{self.frames} and {self.clicks}"
            )
        for name in ("seconds", "patience"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise NodeBenchError(f"expected {name} above 0, got {value}")
