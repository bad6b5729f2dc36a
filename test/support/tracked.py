"""Tracking, as tests look at it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.core.tracking.session import TrackingSession


def kinds(events: Iterable[TrackEvent]) -> list[tuple[str, int]]:
    """Return what happened, and to which object."""
    return [(event.kind, event.track_id) for event in events]


def states(frame: TrackedFrame) -> dict[int, str]:
    """Return the state of each object of an answer by its id."""
    return {segment.track.id: str(segment.track.state) for segment in frame if segment.track}


def of_id(frame: TrackedFrame, number: int) -> Segment:
    """Return the segment of an object."""
    (found,) = (each for each in frame if each.track is not None and each.track.id == number)
    return found


def stepped(segmenter: Segmenter, tracking: TrackingSession, *images: np.ndarray) -> TrackedFrame:
    """Answer images one after the other; return the answer to the last."""
    answers = [tracking.step(segmenter.encode_image(image)) for image in images]
    return answers[-1]


def same_answer(one: Segment, other: Segment) -> bool:
    """Return whether two answers are equal to the bit."""
    return (
        one.score == other.score and one.box == other.box and np.array_equal(one.mask, other.mask)
    )
