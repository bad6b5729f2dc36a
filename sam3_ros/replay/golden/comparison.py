"""Compares one frame's answer with the golden one, prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.answered_frame import FoundSegment, Mask, mask_iou
from sam3_ros.replay.golden.expectation import Tolerance

Labels = npt.NDArray[np.uint8]
Edges = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max, px

# Boxes that agree less belong to two objects; COCO's loosest threshold.
SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True, order=True)
class FrameKey:
    """The identity of an answer, the same in every replay of a bag."""

    #: The camera's name; empty for the only one.
    camera: str
    #: From 0.
    loop: int
    #: Of the image in the bag.
    stamp_ns: int
    #: 0 for a frame's first answer, 1 for the answer to the first click on it.
    repeat: int = 0

    @property
    def file_name(self) -> str:
        again = f"_{self.repeat}" if self.repeat else ""
        return f"{self.camera or 'camera'}_{self.loop}_{self.stamp_ns}{again}.png"

    def __str__(self) -> str:
        """Return the key without the camera, which is shown beside it."""
        seconds, nanoseconds = divmod(self.stamp_ns, NANOSECONDS)
        loop = f" loop {self.loop + 1}" if self.loop else ""
        again = f" answer {self.repeat + 1}" if self.repeat else ""
        return f"{seconds}.{nanoseconds:09}{loop}{again}"


@dataclass(frozen=True, eq=False)
class FrameOfLabels:
    """One answer of the node in a form that can be compared and stored."""

    key: FrameKey
    #: Of the answer's header.
    frame_id: str
    #: uint8 [H, W], a value per prompt, 0 for nothing.
    labels: Labels
    segments: tuple[FoundSegment, ...]

    @property
    def values(self) -> dict[str, int]:
        """The label value of each prompt that found something."""
        return {segment.prompt_id: segment.value for segment in self.segments}

    def mask_of(self, prompt_id: str) -> Mask:
        """Return the prompt's mask, bool [H, W]; empty if it found nothing."""
        value = self.values.get(prompt_id)
        if value is None:
            return np.zeros(self.labels.shape, np.bool_)
        return np.asarray(self.labels == value)

    def segments_of(self, prompt_id: str) -> tuple[FoundSegment, ...]:
        return tuple(s for s in self.segments if s.prompt_id == prompt_id)


@dataclass(frozen=True)
class PromptComparison:
    """A prompt in a frame in which the golden answer, this answer or both have it."""

    key: FrameKey
    prompt_id: str
    #: Of the masks; 0 where one is empty.
    iou: float
    #: The largest difference of segments that are the same object.
    score_difference: float
    #: Golden segments without a counterpart.
    missing: int
    #: Segments without a golden counterpart.
    extra: int
    #: In the label image; None where nothing was found.
    golden_value: int | None
    #: In the label image; None where nothing was found.
    got_value: int | None
    #: Golden's track id and this answer's of each pair of segments that are the same object; None
    #: for one that is not tracked.
    track_ids: tuple[tuple[int | None, int | None], ...] = ()

    def is_within(self, tolerance: Tolerance) -> bool:
        """Return whether this frame, taken alone, passes."""
        return (
            self.iou >= tolerance.least_iou
            and self.score_difference <= tolerance.score_difference
            and not (self.missing or self.extra)
            and not (tolerance.label_values and self.value_differs)
        )

    @property
    def value_differs(self) -> bool:
        return None not in (self.golden_value, self.got_value) and (
            self.golden_value != self.got_value
        )


def compare_frames(golden: FrameOfLabels, got: FrameOfLabels) -> tuple[PromptComparison, ...]:
    """Compare every prompt that either has, golden's first. Masks of different sizes have IoU 0."""
    prompts = dict.fromkeys([*golden.values, *got.values])
    return tuple(_compare(golden, got, prompt_id) for prompt_id in prompts)


def _compare(golden: FrameOfLabels, got: FrameOfLabels, prompt_id: str) -> PromptComparison:
    theirs, ours = golden.segments_of(prompt_id), got.segments_of(prompt_id)
    pairs = list(_same_objects(theirs, ours))
    same_size = golden.labels.shape == got.labels.shape
    return PromptComparison(
        key=golden.key,
        prompt_id=prompt_id,
        iou=mask_iou(golden.mask_of(prompt_id), got.mask_of(prompt_id)) if same_size else 0.0,
        score_difference=max((abs(one.score - other.score) for one, other in pairs), default=0.0),
        missing=len(theirs) - len(pairs),
        extra=len(ours) - len(pairs),
        golden_value=golden.values.get(prompt_id),
        got_value=got.values.get(prompt_id),
        track_ids=tuple((_track_id(one), _track_id(other)) for one, other in pairs),
    )


def _track_id(segment: FoundSegment) -> int | None:
    return None if segment.track is None else segment.track.id


def _same_objects(
    golden: Sequence[FoundSegment], got: Sequence[FoundSegment]
) -> Iterator[tuple[FoundSegment, FoundSegment]]:
    """Yield pairs whose boxes agree, the best first; each segment once."""
    if not (golden and got):
        return
    overlaps = np.array([[box_iou(one.box, other.box) for other in got] for one in golden])
    while overlaps.max() >= SAME_OBJECT_IOU:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        yield golden[int(row)], got[int(column)]
        overlaps[row, :] = overlaps[:, column] = -1.0


def box_iou(one: Edges, other: Edges) -> float:
    """Return the intersection over union of two boxes; 0 for two without an area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Edges) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
