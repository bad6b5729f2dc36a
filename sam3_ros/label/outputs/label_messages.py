"""The node's messages of an answer, made without ROS: the label bags need none where they are made.

The definitions are those of msg/ without comments; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.label_image import PaintedSegments
from sam3_ros.core.segmenter.segments import Segment, TrackState

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

IMAGE = "sensor_msgs/msg/Image"
SEGMENTS, SEGMENT_SCORES = "sam3_ros/msg/Segments", "sam3_ros/msg/SegmentScores"
# SegmentScore.track_state.
_STATES = {
    TrackState.TENTATIVE: 1,
    TrackState.CONFIRMED: 2,
    TrackState.OCCLUDED: 3,
    TrackState.LOST: 4,
    TrackState.ENDED: 5,
}
_SECOND = 1_000_000_000

DEFINITIONS: Mapping[str, str] = {
    "Box": "float64 x_min\nfloat64 y_min\nfloat64 x_max\nfloat64 y_max\n",
    "SegmentScore": (
        "uint8 NOT_TRACKED=0\nuint8 TENTATIVE=1\nuint8 CONFIRMED=2\nuint8 OCCLUDED=3\n"
        "uint8 LOST=4\nuint8 ENDED=5\n"
        "uint16 id\nuint8 label_value\nstring prompt_id\nstring label\nfloat32 score\nBox box\n"
        "uint32 track_id\nuint8 track_state\nuint32 track_age\nuint32 frames_unseen\n"
    ),
    "SegmentScores": "std_msgs/Header header\nSegmentScore[] segments\n",
    "Segment": "SegmentScore score\nsensor_msgs/RegionOfInterest roi\nsensor_msgs/Image mask\n",
    "Segments": "std_msgs/Header header\nuint32 height\nuint32 width\nSegment[] segments\n",
}


@cache
def label_typestore() -> Typestore:
    """Return the types of ROS 2 and those of sam3_ros."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, f"sam3_ros/msg/{name}"))
    return store


class LabelMessages:
    """Makes the serialised messages of one image's answer."""

    def __init__(
        self,
        segments: Sequence[Segment],
        numbers: Sequence[int],
        label_values: Mapping[str, int],
        size: ImageSize,
    ) -> None:
        """segments: best first. numbers: of each (pixel_values). label_values: by prompt id."""
        self._segments = segments
        self._numbers = numbers
        self._label_values = label_values
        self._size = size
        self._store = label_typestore()
        self._types = self._store.types

    def made(self, stamp_ns: int, frame_id: str) -> dict[str, bytes | memoryview]:
        """Return the messages in CDR by output: mask, segments, scores."""
        header = self._header(stamp_ns, frame_id)
        painted = PaintedSegments(self._segments, self._size).instances(self._numbers)
        scores = [self._score(*each) for each in zip(self._segments, self._numbers, strict=True)]
        with_masks = [
            self._segment(segment, score, header)
            for segment, score in zip(self._segments, scores, strict=True)
        ]
        segments = self._types[SEGMENTS](header, *self._size, with_masks)
        made = {
            "mask": (self._image(painted, "mono16", header), IMAGE),
            "segments": (segments, SEGMENTS),
            "scores": (self._types[SEGMENT_SCORES](header, scores), SEGMENT_SCORES),
        }
        return {
            output: self._store.serialize_cdr(message, kind)
            for output, (message, kind) in made.items()
        }

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        time = self._types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, _SECOND))
        return self._types["std_msgs/msg/Header"](time, frame_id)

    def _image(self, pixels: npt.NDArray[Any], encoding: str, header: Any) -> Any:
        height, width = pixels.shape
        little_endian = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        data = little_endian.reshape(-1).view(np.uint8)
        step = width * pixels.itemsize
        return self._types[IMAGE](header, height, width, encoding, 0, step, data)

    def _score(self, segment: Segment, number: int) -> Any:
        track = segment.track
        told = (0, 0, 0, 0)
        if track is not None:
            told = (track.id, _STATES[track.state], track.age, track.frames_unseen)
        return self._types["sam3_ros/msg/SegmentScore"](
            number,
            self._label_values[segment.prompt_id],
            segment.prompt_id,
            segment.label,
            segment.score,
            self._types["sam3_ros/msg/Box"](*segment.box.as_tuple()),
            *told,
        )

    def _segment(self, segment: Segment, score: Any, header: Any) -> Any:
        rows, columns = segment.window
        part = segment.mask[rows, columns]
        height, width = part.shape
        region = self._types["sensor_msgs/msg/RegionOfInterest"](
            columns.start, rows.start, height, width, False
        )
        mask = self._image(part.view(np.uint8) * np.uint8(255), "mono8", header)
        return self._types["sam3_ros/msg/Segment"](score, region, mask)
