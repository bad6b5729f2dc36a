"""What a measurement of the node is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.geometry import ImageSize


class NodeBenchError(Sam3RosError):
    """A measurement that cannot be made as asked, or whose node does not answer."""


class Transport(Enum):
    """How the camera sends: sensor_msgs/Image, or JPEG in a sensor_msgs/CompressedImage."""

    RAW = "raw"
    COMPRESSED = "compressed"


@dataclass(frozen=True)
class NodeBenchSettings:
    """Each transport has a node of its own, which is asked at each size.

    encoding: of the raw images. rate: frames a second of the second pace, None for none but "as
    fast as answered". frames, seconds: a case ends with whichever comes first, after at least
    LEAST_FRAMES. clicks: on a seen frame, after the frames of a size; 0 for none. parameters: of
    the node, name and value. patience: seconds for the node to come up, and for one answer.
    Raises NodeBenchError.
    """

    sizes: tuple[ImageSize, ...]
    transports: tuple[Transport, ...]
    encoding: str
    rate: float | None
    frames: int
    seconds: float
    clicks: int
    parameters: tuple[tuple[str, str], ...]
    domain_id: int
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


LEAST_FRAMES = 3
