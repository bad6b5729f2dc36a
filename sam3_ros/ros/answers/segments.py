"""Segments to messages, and their masks back from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.pictures.segment_numbers import pixel_values
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Segment as SegmentMessage
from sam3_ros.msg import Segments, SegmentScore, SegmentScores
from sam3_ros.ros.images.messages import image_message

STATES = {
    TrackState.TENTATIVE: SegmentScore.TENTATIVE,
    TrackState.CONFIRMED: SegmentScore.CONFIRMED,
    TrackState.OCCLUDED: SegmentScore.OCCLUDED,
    TrackState.LOST: SegmentScore.LOST,
    TrackState.ENDED: SegmentScore.ENDED,
}


def scores_message(
    segments: Sequence[Segment],
    values: Mapping[str, int],
    header: Header,
    numbers: Sequence[int] | None = None,
) -> SegmentScores:
    """Return the segments without their masks.

    values: prompt id to label value. numbers: of each segment (pixel_values); without them its
    place, from 1.
    """
    return SegmentScores(header=header, segments=_scores(segments, values, numbers))


def segments_message(
    segments: Sequence[Segment],
    values: Mapping[str, int],
    size: ImageSize,
    header: Header,
    numbers: Sequence[int] | None = None,
) -> Segments:
    """Return the segments as scores_message, each with its mask, cut to the part that holds it."""
    scores = _scores(segments, values, numbers)
    return Segments(
        header=header,
        height=size.height,
        width=size.width,
        segments=[
            _segment_message(segment, score, header)
            for segment, score in zip(segments, scores, strict=True)
        ],
    )


def mask_of(message: SegmentMessage, size: ImageSize) -> npt.NDArray[np.bool_]:
    """Return the mask of a message, bool [H, W] at image size."""
    roi = message.roi
    mask = np.zeros(size, np.bool_)
    part = np.frombuffer(message.mask.data, np.uint8).reshape(roi.height, roi.width)
    mask[roi.y_offset : roi.y_offset + roi.height, roi.x_offset : roi.x_offset + roi.width] = (
        part > 0
    )
    return mask


def _scores(
    segments: Sequence[Segment], values: Mapping[str, int], numbers: Sequence[int] | None
) -> list[SegmentScore]:
    numbers = pixel_values(segments) if numbers is None else numbers
    return [
        SegmentScore(
            id=number,
            label_value=values[segment.prompt_id],
            prompt_id=segment.prompt_id,
            label=segment.label,
            score=float(segment.score),
            box=_box_message(segment.box),
            **track_fields(segment.track),
        )
        for number, segment in zip(numbers, segments, strict=True)
    ]


def track_fields(track: TrackStatus | None) -> dict[str, int]:
    """Return the fields of a SegmentScore that tell of its track."""
    if track is None:
        return {}
    return {
        "track_id": track.id,
        "track_state": STATES[track.state],
        "track_age": track.age,
        "frames_unseen": track.frames_unseen,
    }


def _segment_message(segment: Segment, score: SegmentScore, header: Header) -> SegmentMessage:
    rows, columns = segment.window
    part = segment.mask[rows, columns]
    height, width = part.shape
    roi = RegionOfInterest(x_offset=columns.start, y_offset=rows.start, width=width, height=height)
    mask = image_message(part.view(np.uint8) * np.uint8(255), "mono8", header)
    return SegmentMessage(score=score, roi=roi, mask=mask)


def _box_message(box: Box) -> BoxMessage:
    return BoxMessage(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)
