"""Segments with their masks, read back from the node's messages."""

from __future__ import annotations

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.segments import Segment, TrackStatus
from sam3_ros.look.node.answers import box_of
from sam3_ros.msg import Segments, SegmentScore
from sam3_ros.ros.answers.segments import STATES, mask_of

_STATES = {number: state for state, number in STATES.items()}


def segments_of(message: Segments) -> list[Segment]:
    """Return the segments of an answer; one whose box has no numbers is left out."""
    size = ImageSize(message.height, message.width)
    return [
        Segment(
            prompt_id=each.score.prompt_id,
            label=each.score.label,
            score=float(each.score.score),
            box=box,
            mask=mask_of(each, size),
            track=_track_of(each.score),
        )
        for each in message.segments
        if (box := box_of(each.score.box)) is not None
    ]


def _track_of(score: SegmentScore) -> TrackStatus | None:
    state = _STATES.get(score.track_state)
    if state is None or not score.track_id:
        return None
    return TrackStatus(score.track_id, state, score.track_age, score.frames_unseen)
