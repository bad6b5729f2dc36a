"""Holds each answer of a replay against its golden frame while they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.golden.comparison import (
    FrameKey,
    LabelledFrame,
    PromptComparison,
    compare_frames,
)
from sam3_ros.replay.golden.expectation import Judging, Tolerance
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames
from sam3_ros.replay.golden.verdicts import PromptVerdict

Selected = Callable[[str, int], bool]


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A prompt in a frame, to be drawn."""

    comparison: PromptComparison
    golden: LabelledFrame
    got: LabelledFrame
    is_right: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Least for the worst."""
        return self.is_right, self.comparison.iou


@dataclass
class FrameRecord:
    """Of the frames as such. wrong_headers: with another stamp or frame_id than their image."""

    judged: int = 0
    uncertain: int = 0
    extra: list[FrameKey] = field(default_factory=list)
    wrong_headers: list[str] = field(default_factory=list)


class FrameKeys:
    """Makes the judged frame of an answer: the second answer to an image is its repeat 1."""

    def __init__(self) -> None:
        self._answers: Counter[FrameKey] = Counter()

    def judged(self, answer: AnsweredFrame) -> LabelledFrame:
        """Raises GoldenError for a label image that is not uint8."""
        if answer.labels.dtype.name != "uint8":
            raise GoldenError(
                "expected label images of 8 bits, got mono16: judge with the parameter "
                "mask_encoding:=mono8"
            )
        first = FrameKey(answer.camera, answer.loop, answer.bag_stamp_ns)
        key = FrameKey(first.camera, first.loop, first.stamp_ns, self._answers[first])
        self._answers[first] += 1
        return LabelledFrame(key, answer.frame_id, answer.labels, tuple(answer.segments))


class GoldenJudge:
    """Not safe for threads. Of all frames only the worst are kept."""

    def __init__(
        self, golden: GoldenFrames, judging: Judging, selected: Selected, worst: int = 0
    ) -> None:
        """selected: whether the image of a camera with a stamp, ns, of the bag is to be judged."""
        self._golden = golden
        self._judging = judging
        self._selected = selected
        self._kept = worst
        self._numbers = FrameKeys()
        self._missing = set(golden.keys)
        self._records: dict[tuple[str, str], PromptComparisons] = {}
        self.frames = FrameRecord()
        self.worst: list[WorstFrame] = []

    def answered(self, answer: AnsweredFrame) -> None:
        """Raises GoldenError for a golden picture that is damaged."""
        frame = self._numbers.judged(answer)
        if not self._selected(answer.camera, answer.bag_stamp_ns):
            return
        self._missing.discard(frame.key)
        if not answer.has_its_header:
            self.frames.wrong_headers.append(f"{frame.key}: frame_id {frame.frame_id!r}")
        if not answer.certain:
            self.frames.uncertain += 1
        elif frame.key not in self._golden.keys:
            self.frames.extra.append(frame.key)
        else:
            self._judge(self._golden.frame(frame.key), frame)

    @property
    def missing(self) -> tuple[FrameKey, ...]:
        """Golden frames that did not come."""
        return tuple(sorted(self._missing))

    def verdicts(self, asked: Mapping[str, Iterable[str]]) -> tuple[PromptVerdict, ...]:
        """By camera, then in the order in which they came up.

        asked: by camera, prompt ids that get a row though nothing was found for them anywhere.
        """
        for camera, prompt_ids in asked.items():
            for prompt_id in prompt_ids:
                self._record(camera, prompt_id)
        order = sorted(self._records, key=lambda place: place[0])
        return tuple(self._records[place].verdict() for place in order)

    def _judge(self, golden: LabelledFrame, got: LabelledFrame) -> None:
        self.frames.judged += 1
        if got.frame_id != golden.frame_id:
            self.frames.wrong_headers.append(
                f"{got.key}: frame_id {got.frame_id!r} instead of {golden.frame_id!r}"
            )
        for comparison in compare_frames(golden, got):
            self._record(got.key.camera, comparison.prompt_id).add(comparison)
            tolerance = self._judging.tolerance_of(comparison.prompt_id)
            is_right = comparison.is_within(tolerance)
            self._keep(WorstFrame(comparison, golden, got, is_right))

    def _keep(self, frame: WorstFrame) -> None:
        if frame.is_right and frame.comparison.iou == 1.0:
            return  # there is nothing to see
        self.worst.append(frame)
        self.worst.sort(key=lambda worst: worst.rank)
        del self.worst[self._kept :]

    def _record(self, camera: str, prompt_id: str) -> PromptComparisons:
        tolerance = self._judging.tolerance_of(prompt_id)
        return self._records.setdefault(
            (camera, prompt_id), PromptComparisons(camera, prompt_id, tolerance)
        )


@dataclass
class PromptComparisons:
    camera: str
    prompt_id: str
    tolerance: Tolerance
    comparisons: list[PromptComparison] = field(default_factory=list)

    def add(self, comparison: PromptComparison) -> None:
        self.comparisons.append(comparison)

    def verdict(self) -> PromptVerdict:
        ious = [comparison.iou for comparison in self.comparisons]
        worst = min(self.comparisons, key=lambda comparison: comparison.iou, default=None)
        return PromptVerdict(
            camera=self.camera,
            prompt_id=self.prompt_id,
            frames=len(ious),
            mean_iou=float(np.mean(ious)) if ious else None,
            least_iou=None if worst is None else worst.iou,
            worst="" if worst is None else str(worst.key),
            score_difference=max((c.score_difference for c in self.comparisons), default=0.0),
            missing_segments=sum(c.missing for c in self.comparisons),
            extra_segments=sum(c.extra for c in self.comparisons),
            failures=tuple(self._failures()),
        )

    def _failures(self) -> Iterator[str]:
        allowed = self.tolerance
        low = [c for c in self.comparisons if c.iou < allowed.least_iou]
        if low:
            worst = min(low, key=lambda comparison: comparison.iou)
            yield (
                f"IoU {worst.iou:.3f} at {worst.key}, expected {allowed.least_iou:g} or more; "
                f"{len(low)} of {len(self.comparisons)} frames are below"
            )
        off = max(self.comparisons, key=lambda c: c.score_difference, default=None)
        if off is not None and off.score_difference > allowed.score_difference:
            yield (
                f"a score differs by {off.score_difference:.3f} at {off.key}, "
                f"expected {allowed.score_difference:g} or less"
            )
        for what, counts, most in (
            ("missing", [(c.missing, c.key) for c in self.comparisons], allowed.missing_segments),
            ("extra", [(c.extra, c.key) for c in self.comparisons], allowed.extra_segments),
        ):
            total = sum(count for count, _ in counts)
            if total > most:
                first = next(key for count, key in counts if count)
                yield f"{total} {what} segments, first at {first}, expected {most} or fewer"
        yield from self._value_failures()

    def _value_failures(self) -> Iterator[str]:
        differing = [c for c in self.comparisons if c.value_differs]
        if differing and self.tolerance.label_values:
            first = differing[0]
            yield (
                f"label value {first.got_value} instead of {first.golden_value} at {first.key}, "
                f"in {len(differing)} frames"
            )
