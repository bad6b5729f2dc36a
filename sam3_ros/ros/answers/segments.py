"""Segments to messages, and their masks back from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sam3_ros.core.errors import InferenceError
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Segment as SegmentMessage
from sam3_ros.msg import Segments, SegmentScore, SegmentScores
from sam3_ros.ros.images.messages import image_message

MOST_SEGMENTS = 2**16 - 1


def best_first(segments: Sequence[Segment]) -> list[Segment]:
    """Return the order in which every topic numbers them, from 1; equal scores keep theirs.

    Raises InferenceError for more than the 16 bits of a mask's pixel or a message's id can number.
    """
    if len(segments) > MOST_SEGMENTS:
        raise InferenceError(
            f"expected at most {MOST_SEGMENTS} segments in an image, got {len(segments)}: ask "
            "fewer prompts, or raise score_threshold"
        )
    return sorted(segments, key=lambda segment: -segment.score)


def scores_message(
    segments: Sequence[Segment], values: Mapping[str, int], header: Header
) -> SegmentScores:
    """Return the segments without their masks. values: prompt id to label value."""
    return SegmentScores(header=header, segments=_scores(segments, values))


def segments_message(
    segments: Sequence[Segment], values: Mapping[str, int], size: ImageSize, header: Header
) -> Segments:
    """Return the segments, each with its whole mask, cut to the part that holds it."""
    scores = _scores(segments, values)
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


def _scores(segments: Sequence[Segment], values: Mapping[str, int]) -> list[SegmentScore]:
    return [
        SegmentScore(
            id=number,
            label_value=values[segment.prompt_id],
            prompt_id=segment.prompt_id,
            label=segment.label,
            score=float(segment.score),
            box=_box_message(segment.box),
        )
        for number, segment in enumerate(segments, start=1)
    ]


def _segment_message(segment: Segment, score: SegmentScore, header: Header) -> SegmentMessage:
    assert segment.bounds is not None, "the segmenter returns no empty masks"
    rows, columns = segment.window
    part = segment.mask[rows, columns]
    height, width = part.shape
    roi = RegionOfInterest(x_offset=columns.start, y_offset=rows.start, width=width, height=height)
    mask = image_message(part.view(np.uint8) * np.uint8(255), "mono8", header)
    return SegmentMessage(score=score, roi=roi, mask=mask)


def _box_message(box: Box) -> BoxMessage:
    return BoxMessage(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)
