"""What is known of a frame once it is answered, for the topics that tell it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.label_image import PaintedSegments
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.images.pixel_rows import Pixels


@dataclass(frozen=True, eq=False)
class Answer:
    """segments: best first. label_values: prompt id to value.

    received: time.monotonic() when what is answered came, s. waited: from then until the work on
    it began, s. stages: seconds by step of that work.
    """

    header: Header
    image_rgb: Pixels
    segments: Sequence[Segment]
    label_values: Mapping[str, int]
    mask_encoding: str
    received: float = field(default_factory=time.monotonic)
    waited: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)

    @property
    def size(self) -> ImageSize:
        return ImageSize(*self.image_rgb.shape[:2])

    @cached_property
    def painted(self) -> PaintedSegments:
        """One painting for mask and confidence. Raises ValueError."""
        return PaintedSegments(self.segments, self.size)
