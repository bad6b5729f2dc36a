"""The segments of an image as the node has them, made of what a labelling keeps of them."""

from __future__ import annotations

from collections.abc import Iterator

from sam3_ros.core.geometry import Box
from sam3_ros.core.pictures.segment_numbers import best_first
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.label.answers import LabelledFrame, LabelledObject
from sam3_ros.label.results import LabelledSource, LabelledTopic


def answered(source: LabelledSource, topic: LabelledTopic) -> Iterator[LabelledFrame]:
    """Yield the frames that were answered, in the order of time. Raises as `frames` does."""
    return (frame for frame in source.frames(topic) if not frame.failure)


class SegmentsOfFrames:
    """Turns frames of one topic, in the order of time, into segments; it knows each track's age."""

    def __init__(self) -> None:
        self._frames = 0
        #: By track id: the number of its first image, and images in a row without it being seen.
        self._born: dict[int, int] = {}
        self._unseen: dict[int, int] = {}

    def segments(self, frame: LabelledFrame) -> list[Segment]:
        """Return them in the order of the node's topics: best first, unseen ones last."""
        self._frames += 1
        return best_first([self._segment(each, frame) for each in frame.objects])

    def _segment(self, labelled: LabelledObject, frame: LabelledFrame) -> Segment:
        return Segment(
            labelled.prompt_id,
            labelled.label,
            labelled.score,
            Box(*labelled.box),
            labelled.run_lengths(frame.size).mask(),
            None if labelled.bounds is None else Box(*labelled.bounds),
            self._track(labelled),
        )

    def _track(self, labelled: LabelledObject) -> TrackStatus | None:
        track_id = labelled.track_id
        if track_id is None:
            return None
        age = self._frames - self._born.setdefault(track_id, self._frames)
        is_seen = labelled.bounds is not None
        self._unseen[track_id] = 0 if is_seen else self._unseen.get(track_id, 0) + 1
        return TrackStatus(track_id, TrackState(labelled.track_state), age, self._unseen[track_id])
