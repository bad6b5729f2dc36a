"""The node's answer to one image: the label image and the segments in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import Image

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.msg import SegmentScore, SegmentScores

Mask = npt.NDArray[np.bool_]
#: IoU of two boxes from which on they are taken for one object's.
SAME_OBJECT = 0.5
_DTYPES = {"mono8": np.uint8, "mono16": np.uint16}
_STATES = {getattr(SegmentScore, state.name): state for state in TrackState}


@dataclass(frozen=True)
class FoundSegment:
    """One entry of ~/scores."""

    prompt_id: str
    #: Value of its pixels in the label image.
    value: int
    #: Its number in the image, from 1.
    id: int = 0
    label: str = ""
    score: float = 0.0
    #: x_min, y_min, x_max, y_max, px.
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    #: None where it is not tracked.
    track: TrackStatus | None = None

    @property
    def is_seen(self) -> bool:
        """Whether it is an object of this image, and not one that is hidden in it."""
        return self.track is None or self.track.frames_unseen == 0

    def overlap(self, other: Box, size: tuple[int, ...]) -> float:
        """Return the IoU of another box and the part of this one that is in the image."""
        height, width = size
        x_min, x_max = (min(max(x, 0.0), width) for x in self.box[0::2])
        y_min, y_max = (min(max(y, 0.0), height) for y in self.box[1::2])
        across = max(min(x_max, other.x_max) - max(x_min, other.x_min), 0.0)
        shared = across * max(min(y_max, other.y_max) - max(y_min, other.y_min), 0.0)
        return shared / ((x_max - x_min) * (y_max - y_min) + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class AnsweredFrame:
    """One answer to one image."""

    #: Of the image in the bag.
    bag_stamp_ns: int
    #: Seconds, monotonic.
    sent_at: float
    #: Integers [H, W]: uint8, or uint16 if the node's mask_encoding is mono16.
    labels: npt.NDArray[np.integer]
    #: What is seen, the best score first.
    segments: Sequence[FoundSegment]
    #: Tracked objects that are not.
    unseen: Sequence[FoundSegment] = ()
    #: Empty for an only camera without a name.
    camera: str = ""
    #: 0 for the first time that the bag is played.
    loop: int = 0
    #: Seconds from publishing the image to receiving this mask.
    latency: float = 0.0
    #: The stamp and frame_id are those of the image.
    has_its_header: bool = True
    #: The image was answered before; this answer came for a click on it.
    repeat: bool = False
    #: It is known which prompts the node was asked when it answered.
    certain: bool = True
    #: Of the mask.
    frame_id: str = ""

    def holds(self, prompt_id: str) -> bool:
        return any(segment.prompt_id == prompt_id for segment in self.segments)

    def has_wrong(self, prompt_id: str, places: Sequence[Box]) -> bool:
        """Return whether a segment of a prompt is none of the objects in these boxes.

        Each object goes to the best segment whose box overlaps its own by half (IoU) or more, as
        in detection; any other segment is wrong, so also a second one of the same object.
        """
        left = list(places)
        for segment in sorted(self.segments, key=lambda segment: -segment.score):
            if segment.prompt_id != prompt_id:
                continue
            overlaps = [segment.overlap(place, self.labels.shape) for place in left]
            if max(overlaps, default=0.0) < SAME_OBJECT:
                return True
            del left[int(np.argmax(overlaps))]
        return False

    def mask_of(self, prompt_id: str) -> Mask:
        """Return the pixels of all segments of a prompt, bool [H, W]."""
        values = [s.value for s in self.segments if s.prompt_id == prompt_id]
        return np.isin(self.labels, values)


def labels_of(mask: Image) -> npt.NDArray[np.integer]:
    """Return the label image [H, W]: in mono8 a value per prompt, in mono16 one per segment.

    Raises ValueError for another encoding or a size that does not fit the data.
    """
    if mask.encoding not in _DTYPES:
        raise ValueError(f"expected a mask in mono8 or mono16, got {mask.encoding!r}")
    return np.frombuffer(mask.data, _DTYPES[mask.encoding]).reshape(mask.height, mask.width)


def segments_of(mask: Image, scores: SegmentScores) -> tuple[FoundSegment, ...]:
    """Return the segments of a mask, also those that are hidden."""
    by_segment = mask.encoding == "mono16"
    return tuple(_segment(score, by_segment) for score in scores.segments)


def mask_iou(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks, bool [H, W]; 1 for two empty ones."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 1.0


def _segment(score: SegmentScore, by_segment: bool) -> FoundSegment:
    box = score.box
    track = None
    if score.track_id:
        state = _STATES[score.track_state]
        track = TrackStatus(score.track_id, state, score.track_age, score.frames_unseen)
    return FoundSegment(
        prompt_id=score.prompt_id,
        value=score.id if by_segment else score.label_value,
        id=score.id,
        label=score.label,
        score=score.score,
        box=(box.x_min, box.y_min, box.x_max, box.y_max),
        track=track,
    )
