"""What the node says of one image: its label image and the segments in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.msg import SegmentScores

Mask = npt.NDArray[np.bool_]
_DTYPES = {"mono8": np.uint8, "mono16": np.uint16}


@dataclass(frozen=True)
class FoundSegment:
    """value: of its pixels in the label image."""

    prompt_id: str
    value: int


@dataclass(frozen=True, eq=False)
class AnsweredFrame:
    """labels: integers [H, W]. bag_stamp_ns: of the image in the bag. sent_at: s, monotonic."""

    bag_stamp_ns: int
    sent_at: float
    labels: npt.NDArray[np.integer]
    segments: Sequence[FoundSegment]

    def holds(self, prompt_id: str) -> bool:
        return any(segment.prompt_id == prompt_id for segment in self.segments)

    def mask_of(self, prompt_id: str) -> Mask:
        """bool [H, W]: all that was found for a prompt."""
        values = [s.value for s in self.segments if s.prompt_id == prompt_id]
        return np.isin(self.labels, values)


def answered_frame(
    bag_stamp_ns: int, sent_at: float, mask: Image, scores: SegmentScores
) -> AnsweredFrame:
    """Of the two messages; a mono8 mask has a value per prompt, a mono16 one per segment.

    Raises ValueError for another encoding or a size that does not fit the data.
    """
    if mask.encoding not in _DTYPES:
        raise ValueError(f"expected a mask in mono8 or mono16, got {mask.encoding!r}")
    labels = np.frombuffer(mask.data, _DTYPES[mask.encoding]).reshape(mask.height, mask.width)
    by_segment = mask.encoding == "mono16"
    segments = [
        FoundSegment(score.prompt_id, score.id if by_segment else score.label_value)
        for score in scores.segments
    ]
    return AnsweredFrame(bag_stamp_ns, sent_at, labels, segments)
