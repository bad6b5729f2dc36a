"""Compares each answer of a replay with its golden frame as it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.replay.client.answered_frame import AnsweredFrame
from sam3_ros.replay.golden.comparison import (
    FrameKey,
    FrameOfLabels,
    PromptComparison,
    compare_frames,
)
from sam3_ros.replay.golden.expectation import Judging, Tolerance
from sam3_ros.replay.golden.frames import GoldenError, GoldenFrames
from sam3_ros.replay.golden.track_ids import TrackIds, track_failures
from sam3_ros.replay.golden.verdicts import PromptVerdict
from sam3_ros.replay.report.places import PlaceReport
from sam3_ros.replay.report.tracks import TrackReport

Selected = Callable[[str, int], bool]


@dataclass(frozen=True, eq=False)
class WorstFrame:
    """A prompt in a frame, to be drawn."""

    comparison: PromptComparison
    golden: FrameOfLabels
    got: FrameOfLabels
    is_right: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """A sort key; the worst frame has the least."""
        return self.is_right, self.comparison.iou


@dataclass
class FrameRecord:
    """Counts and faults of whole frames."""

    judged: int = 0
    uncertain: int = 0
    extra: list[FrameKey] = field(default_factory=list)
    #: Answers with another stamp or frame_id than their image.
    wrong_headers: list[str] = field(default_factory=list)


@dataclass
class PromptComparisons:
    """The comparisons of one prompt on one camera."""

    camera: str
    prompt_id: str
    tolerance: Tolerance
    comparisons: list[PromptComparison] = field(default_factory=list)
    track_ids: TrackIds = field(default_factory=TrackIds)

    def add(self, comparison: PromptComparison) -> None:
        self.comparisons.append(comparison)
        self.track_ids.add(comparison)

    def verdict(
        self, tracks: TrackReport | None = None, places: Sequence[PlaceReport] = ()
    ) -> PromptVerdict:
        """Return the verdict. tracks: of this replay; None if the prompt's objects have no ids."""
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
            failures=(
                *self._failures(),
                *track_failures(tracks, self.tolerance),
                *_place_failures(places, self.tolerance),
            ),
            ids=() if tracks is None else tracks.ids,
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
        differing = [c for c in self.comparisons if c.value_differs]
        if differing and allowed.label_values:
            first_one = differing[0]
            yield (
                f"label value {first_one.got_value} instead of {first_one.golden_value} at "
                f"{first_one.key}, in {len(differing)} frames"
            )
        if allowed.track_ids:
            yield from self.track_ids.failures()


def _place_failures(places: Sequence[PlaceReport], tolerance: Tolerance) -> Iterator[str]:
    """Yield what is wrong with where a prompt's objects are, over the whole replay."""
    most = tolerance.centre_m
    if most is None:
        return
    worst = max(places, key=lambda place: max(place.errors_m, default=-1.0), default=None)
    if worst is None or not worst.errors_m:
        yield f"no place was found that could be compared; its centre should be within {most:g} m"
    elif max(worst.errors_m) > most:
        yield (
            f"the centre of the {worst.name} is off by {max(worst.errors_m):.4f} m at "
            f"{worst.worst}, expected {most:g} m or less"
        )


class FrameKeys:
    """Gives each answer its key: the second answer to an image is its repeat 1."""

    def __init__(self) -> None:
        self._answers: Counter[FrameKey] = Counter()

    def labelled(self, answer: AnsweredFrame) -> FrameOfLabels:
        """Return the answer with its key. Raises GoldenError if the labels are not uint8."""
        if answer.labels.dtype.name != "uint8":
            raise GoldenError(
                "expected label images of 8 bits, got mono16: judge with the parameter "
                "mask_encoding:=mono8"
            )
        first = FrameKey(answer.camera, answer.loop, answer.bag_stamp_ns)
        key = FrameKey(first.camera, first.loop, first.stamp_ns, self._answers[first])
        self._answers[first] += 1
        labels = np.asarray(answer.labels, np.uint8)
        return FrameOfLabels(key, answer.frame_id, labels, tuple(answer.segments))


class GoldenJudge:
    """Compares answers with golden frames and keeps the worst. Not thread-safe."""

    def __init__(
        self, golden: GoldenFrames, judging: Judging, selected: Selected, worst: int = 0
    ) -> None:
        """Start without an answer.

        selected: whether the image with a camera's name and a stamp of the bag, ns, is compared.
        worst: how many of the worst frames are kept.
        """
        self._golden = golden
        self._judging = judging
        self._selected = selected
        self._kept = worst
        self._keys = FrameKeys()
        self._missing = set(golden.keys)
        self._prompts: dict[tuple[str, str], PromptComparisons] = {}
        self.frames = FrameRecord()
        self.worst: list[WorstFrame] = []

    def answered(self, answer: AnsweredFrame) -> None:
        """Compare an answer. Raises GoldenError if its golden picture is damaged."""
        frame = self._keys.labelled(answer)
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

    def verdicts(
        self,
        asked: Mapping[str, Iterable[str]],
        tracks: Iterable[TrackReport] = (),
        places: Iterable[PlaceReport] = (),
    ) -> tuple[PromptVerdict, ...]:
        """Return a verdict per prompt, by camera, then in the order in which they appeared.

        asked: by camera, the prompt ids that get a verdict even if nothing was found for them.
        tracks, places: of the whole replay.
        """
        tracks_of = {(track.camera, track.prompt_id): track for track in tracks}
        for camera, prompt_ids in asked.items():
            for prompt_id in prompt_ids:
                self._comparisons(camera, prompt_id)
        places_of: dict[tuple[str, str], list[PlaceReport]] = {}
        for place in places:
            places_of.setdefault((place.camera, place.prompt_id), []).append(place)
        order = sorted(self._prompts, key=lambda key: key[0])
        return tuple(
            self._prompts[key].verdict(tracks_of.get(key), places_of.get(key, ())) for key in order
        )

    def _judge(self, golden: FrameOfLabels, got: FrameOfLabels) -> None:
        self.frames.judged += 1
        if got.frame_id != golden.frame_id:
            self.frames.wrong_headers.append(
                f"{got.key}: frame_id {got.frame_id!r} instead of {golden.frame_id!r}"
            )
        for comparison in compare_frames(golden, got):
            self._comparisons(got.key.camera, comparison.prompt_id).add(comparison)
            tolerance = self._judging.tolerance_of(comparison.prompt_id)
            is_right = comparison.is_within(tolerance)
            self._keep(WorstFrame(comparison, golden, got, is_right))

    def _keep(self, frame: WorstFrame) -> None:
        if frame.is_right and frame.comparison.iou == 1.0:
            return  # there is nothing to see
        self.worst.append(frame)
        self.worst.sort(key=lambda worst: worst.rank)
        del self.worst[self._kept :]

    def _comparisons(self, camera: str, prompt_id: str) -> PromptComparisons:
        tolerance = self._judging.tolerance_of(prompt_id)
        return self._prompts.setdefault(
            (camera, prompt_id), PromptComparisons(camera, prompt_id, tolerance)
        )
