"""Holds each answer of a replay against its golden frame while they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.golden.comparison import PromptComparison, compare_frames
from sam3_ros.replay.golden.expectation import Judging
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames
from sam3_ros.replay.golden.judged_frame import FrameKey, JudgedFrame
from sam3_ros.replay.golden.judgement import PromptVerdict
from sam3_ros.replay.golden.prompt_verdict import PromptRecord

Selected = Callable[[str, int], bool]


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A prompt in a frame, to be drawn."""

    comparison: PromptComparison
    golden: JudgedFrame
    got: JudgedFrame
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


class FrameNumbers:
    """Makes the judged frame of an answer: the second answer to an image is its repeat 1."""

    def __init__(self) -> None:
        self._answers: Counter[FrameKey] = Counter()

    def judged(self, answer: AnsweredFrame) -> JudgedFrame:
        """Raises GoldenError for a label image that is not uint8."""
        if answer.labels.dtype.name != "uint8":
            raise GoldenError(
                "expected label images of 8 bits, got mono16: judge with the parameter "
                "mask_encoding:=mono8"
            )
        first = FrameKey(answer.camera, answer.loop, answer.bag_stamp_ns)
        key = FrameKey(first.camera, first.loop, first.stamp_ns, self._answers[first])
        self._answers[first] += 1
        return JudgedFrame(key, answer.frame_id, answer.labels, tuple(answer.segments))


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
        self._numbers = FrameNumbers()
        self._missing = set(golden.keys)
        self._records: dict[tuple[str, str], PromptRecord] = {}
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

    def _judge(self, golden: JudgedFrame, got: JudgedFrame) -> None:
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

    def _record(self, camera: str, prompt_id: str) -> PromptRecord:
        tolerance = self._judging.tolerance_of(prompt_id)
        return self._records.setdefault(
            (camera, prompt_id), PromptRecord(camera, prompt_id, tolerance)
        )
