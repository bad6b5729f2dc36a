"""One frame's answer held against the golden one, prompt by prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.client.answered_frame import FoundSegment, mask_iou
from sam3_ros.replay.golden.expectation import Tolerance

Labels = npt.NDArray[np.uint8]


Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, order=True)
class FrameKey:
    """Which answer it is, the same in every replay of a bag.

    camera: its name, empty for the only one. loop: from 0. stamp_ns: of the image in the bag.
    repeat: 0 for a frame's first answer, 1 for the one that the first click on it brought.
    """

    camera: str
    loop: int
    stamp_ns: int
    repeat: int = 0

    @property
    def file_name(self) -> str:
        again = f"_{self.repeat}" if self.repeat else ""
        return f"{self.camera or 'camera'}_{self.loop}_{self.stamp_ns}{again}.png"

    def __str__(self) -> str:
        """Without the camera, which stands beside it."""
        seconds, nanoseconds = divmod(self.stamp_ns, NANOSECONDS)
        loop = f" loop {self.loop + 1}" if self.loop else ""
        again = f" answer {self.repeat + 1}" if self.repeat else ""
        return f"{seconds}.{nanoseconds:09}{loop}{again}"


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """labels: uint8 [H, W], a value per prompt, 0 for nothing. frame_id: of the answer's header."""

    key: FrameKey
    frame_id: str
    labels: Labels
    segments: tuple[FoundSegment, ...]

    @property
    def values(self) -> dict[str, int]:
        """The label value of each prompt that found something."""
        return {segment.prompt_id: segment.value for segment in self.segments}

    def mask_of(self, prompt_id: str) -> Mask:
        """bool [H, W]; empty for a prompt that found nothing."""
        value = self.values.get(prompt_id)
        if value is None:
            return np.zeros(self.labels.shape, np.bool_)
        return np.asarray(self.labels == value)

    def segments_of(self, prompt_id: str) -> tuple[FoundSegment, ...]:
        return tuple(s for s in self.segments if s.prompt_id == prompt_id)


# Boxes that agree less belong to two objects, as COCO's loosest threshold has it.
SAME_OBJECT_IOU = 0.5


Edges = tuple[float, float, float, float]  # x_min, y_min, x_max, y_max, px


@dataclass(frozen=True)
class PromptComparison:
    """A prompt in a frame where golden or got has it.

    iou: of the masks, 0 where one is empty. score_difference: the largest of segments that lie
    on the same object. missing, extra: segments of golden without one of got, and the reverse.
    golden_value, got_value: in the label images, None where nothing was found.
    """

    key: FrameKey
    prompt_id: str
    iou: float
    score_difference: float
    missing: int
    extra: int
    golden_value: int | None
    got_value: int | None

    def is_within(self, tolerance: Tolerance) -> bool:
        """Whether the frame alone has nothing to be said against it."""
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


def compare_frames(golden: LabelledFrame, got: LabelledFrame) -> tuple[PromptComparison, ...]:
    """Of every prompt that either has, golden's first. Masks of another size agree in nothing."""
    prompts = dict.fromkeys([*golden.values, *got.values])
    return tuple(_compare(golden, got, prompt_id) for prompt_id in prompts)


def _compare(golden: LabelledFrame, got: LabelledFrame, prompt_id: str) -> PromptComparison:
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
    )


def _same_objects(
    golden: Sequence[FoundSegment], got: Sequence[FoundSegment]
) -> Iterator[tuple[FoundSegment, FoundSegment]]:
    """Pairs whose boxes agree, the best first; each segment once."""
    if not (golden and got):
        return
    overlaps = np.array([[box_iou(one.box, other.box) for other in got] for one in golden])
    while overlaps.max() >= SAME_OBJECT_IOU:
        row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
        yield golden[int(row)], got[int(column)]
        overlaps[row, :] = overlaps[:, column] = -1.0


def box_iou(one: Edges, other: Edges) -> float:
    """Intersection over union of two boxes; 0 for two without an area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _area(box: Edges) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
