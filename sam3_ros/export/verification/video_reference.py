"""A bundle against videos that the original's own code tracked, stored in video_cases_*.npz.

Mask logits are stored as float16, so half a step of that format is allowed. Rounding grows from
frame to frame, as each is answered from the memories of those before: so the first answers of a
case are judged more strictly than the rest.

The limits of mask logits hold for all pixels but a few in a thousand, of the first answers 15. The
adjusted weights make the memory attention so sharp that some of its cells are undecided between far
places, and amplify rounding a thousandfold. PyTorch shows it without any file of ours: float32 in
place of float64 in the image trunk alone (1e-5 of its features) moves 13 of 82,944 logits by more
than 1e-3 on the second tracked frame of v1, by up to 4e-3. All stages in float64 move 16 of 10,000
by more than 1e-3 on that of v5, by up to 0.044, and later ones by up to 0.55, scores by 3e-3 and
pointers by 5e-3. An error in what is attended to, or in a position, age, pointer or mask moves
nearly all logits, by a hundredth of their deviation or more: the first answers show it, and for
later ones it is compared exactly which frames, ages and pointers were read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import Attended
from sam3_ros.export.verification.reference_figure import (
    ReferenceFigure,
    beyond_half_precision_each,
)
from sam3_ros.export.verification.reference_weights import other_video_weights
from sam3_ros.export.verification.video_case import PREFIX, VideoCase, load_video_case
from sam3_ros.export.verification.video_replay import Replayed, VideoReplay
from sam3_ros.export.weights_identity import Adjustment

#: Answers of an object from its start that are judged strictly.
_FIRST = 3


@dataclass(frozen=True)
class _Limits:
    """Largest differences of an answer."""

    #: Added to the names of the figures.
    which: str
    #: Of most mask logits, how many are most, and of the rest.
    logits: float
    least_near: float
    any_logit: float
    #: Share of the pixels on the same side of 0.
    least_equal: float
    pointers: float
    iou: float
    score: float
    #: Of what the memory attention and the memory encoder compute.
    features: float


# Beyond most logits it is chance how far float32 is, so these are twice and more the worst that was
# seen, of float64 and of ONNX Runtime (docs/models.md).
_STRICT = _Limits(f"first {_FIRST}", 1e-3, 0.985, 0.4, 0.9995, 1e-3, 1e-4, 1e-3, 0.01)
_GROWN = _Limits("later", 0.06, 0.997, 1.5, 0.997, 4e-2, 1e-3, 3e-2, 0.5)
#: Of a million, for each prompt; see VideoReplay.
_MOST_CUT_OTHERWISE = 6
#: Of the mean of mask logits, by their largest (1 at least).
_MEAN_LIMIT = 1e-3
_NO_FRAME, _NO_AGE = -1, -99
#: Part of the features that a case holds.
_PART = (slice(None), slice(32, 40), slice(20, 28))


@dataclass(frozen=True)
class SortedCases:
    """The cases of a folder."""

    #: To compare, each after the one that it continues.
    cases: tuple[VideoCase, ...]
    #: Name of the file to the reason why not.
    skipped: Mapping[str, str]


def sorted_video_cases(manifest: Manifest, paths: Sequence[Path]) -> SortedCases:
    """Read the cases, and say which were answered with the bundle's weights.

    Raises ExportError for a file that is no case.
    """
    found: dict[str, VideoCase] = {}
    skipped: dict[str, str] = {}
    cases = [load_video_case(path) for path in paths]
    for case in sorted(cases, key=lambda each: bool(each.continues)):
        reason = case.unlike(manifest) or other_video_weights(
            manifest, case.weights_seed, Adjustment(case.score_shift, case.iou_bias)
        )
        if not reason and case.continues and case.continues not in found:
            reason = f"it continues {case.continues}, which is not there to be run"
        if reason:
            skipped[PREFIX + case.name] = reason
        else:
            found[case.name] = case
    return SortedCases(tuple(found.values()), skipped)


def video_comparison(
    graph: StageGraph,
    manifest: Manifest,
    cases: Sequence[VideoCase],
    progress: Callable[[str], None],
) -> Iterator[ReferenceFigure]:
    """Yield the figures of every case; progress gets a line before each."""
    if not cases:
        return
    replay = VideoReplay(graph, manifest)
    continued = {case.continues for case in cases}
    for case in cases:
        count = len(case.answers["kind"])
        progress(f"reference video {case.name}: {count} answers")
        replayed = list(replay.run(case, keep_end=case.name in continued))
        yield from video_figures(case, replayed)
        otherwise = float(replay.cut_otherwise)
        what = "pixels within rounding of 0 cut otherwise"
        most = _MOST_CUT_OTHERWISE * replay.prompts_tried
        yield ReferenceFigure(f"video {case.name}", what, otherwise, most)


def video_figures(case: VideoCase, replayed: Sequence[Replayed]) -> list[ReferenceFigure]:
    """Compare a replay with what the original answered, the largest difference of each kind."""
    ours = [(each.kind, each.frame, each.obj) for each in replayed]
    theirs = list(
        zip(
            case.answers["kind"].tolist(),
            case.answers["frame"].tolist(),
            case.answers["obj"].tolist(),
            strict=True,
        )
    )
    name = f"video {case.name}"
    other = sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
    figures = [ReferenceFigure(name, "answers of other frames or objects", other, 0)]
    if other:
        return figures
    found: dict[tuple[str, float, bool], list[float]] = defaultdict(list)
    for row, each in enumerate(replayed):
        limits = _limits(case, theirs[: row + 1])
        for what, difference, limit, at_least in _differences(case, row, each, limits):
            found[what, limit, at_least].append(difference)
    for (what, limit, at_least), differences in found.items():
        # NaN stays NaN, which passes no limit.
        worst = np.min(differences) if at_least else np.max(differences)
        if limit == 0:
            worst = np.sum(differences)
        figures.append(ReferenceFigure(name, what, float(worst), limit, at_least))
    return figures


def _limits(case: VideoCase, answered: Sequence[tuple[str, int, int]]) -> _Limits:
    """Return how strictly the last of these answers (kind, frame, object) is judged."""
    kinds = [kind for kind, _, obj in answered if obj == answered[-1][2]]
    # Rounding is in the answer that is corrected; a case that continues another begins so.
    corrected = case.continues or ("track", "prompt") in pairwise(kinds)
    return _STRICT if len(kinds) <= _FIRST and not corrected else _GROWN


_Difference = tuple[str, float, float, bool]


def _differences(
    case: VideoCase, row: int, found: Replayed, limits: _Limits
) -> Iterator[_Difference]:
    """Yield what is compared of one answer: name, difference, limit, whether it is a minimum."""
    answers, answer = case.answers, found.answer
    several = bool(answers["multimask"][row])
    choice = (answer.chosen, answer.several) != (int(answers["chosen"][row]), several)
    yield "other mask chosen", float(choice), 0, False
    yield "other frames or ages attended to", float(_attended_otherwise(case, row, found)), 0, False
    stride = int(answers.get("mask_stride", np.array(1)))
    logits, expected = answer.mask_logits[::stride, ::stride], answers["masks"][row]
    beyond = beyond_half_precision_each(logits, expected)
    near, which = float(np.mean(beyond <= limits.logits)), limits.which
    yield f"mask logits within {limits.logits:g}, {which}", near, limits.least_near, True
    yield f"mask logits, largest, {which}", float(np.max(beyond)), limits.any_logit, False
    equal = float(np.mean((logits > 0) == (expected > 0)))
    yield f"mask pixels equal, {which}", equal, limits.least_equal, True
    foreground = abs(float(np.mean(answer.mask_logits > 0)) - float(answers["foreground"][row]))
    yield f"foreground, {which}", foreground, 1 - limits.least_equal, False
    pointers = _largest(answer.pointer, answers["pointers"][row])
    yield f"pointers, {which}", pointers, limits.pointers, False
    iou = abs(answer.iou - float(answers["iou"][row]))
    yield f"IoU, {which}", iou, limits.iou, False
    iou = _largest(answer.ious, answers["iou4"][row])
    yield f"IoU of every mask, {which}", iou, limits.iou, False
    scores = {"object_score": answer.object_score, "decoder_score": answer.decoder_score}
    for key, score in scores.items():
        if key in answers:
            difference = abs(score - float(answers[key][row]))
            yield f"object score, {which}", difference, limits.score, False
    if "mask_mean" in answers:
        scale = max(1.0, float(np.abs(answer.mask_logits).max()))
        for kind, value in (
            ("mean", answer.mask_logits.mean(dtype=np.float64)),
            ("deviation", answer.mask_logits.std(dtype=np.float64)),
        ):
            key = "mask_mean" if kind == "mean" else "mask_std"
            difference = abs(float(value) - float(answers[key][row])) / scale
            yield f"mask {kind}", difference, _MEAN_LIMIT, False
    if found.kind == "track":
        for kind, features in (("conditioned", found.conditioned), ("memory", found.memory)):
            if (key := f"{kind}_{found.frame}") + "_slice" in answers and features is not None:
                yield (
                    f"{kind} features of frame {found.frame}",
                    _of_features(features.reshape(-1, *features.shape[-2:]), answers, key),
                    limits.features,
                    False,
                )


def _attended_otherwise(case: VideoCase, row: int, found: Replayed) -> bool:
    answers = case.answers
    attended = found.attended or Attended((), ())
    conditioned = case.rules.memories
    memories = [
        (each.frame, int(each.prompted), conditioned if each.prompted else each.age - 1)
        for each in attended.memories
    ]
    pointers = [(each.frame, int(each.prompted), each.age) for each in attended.pointers]
    divisor = case.rules.pointer_divisor if attended.pointers else 0
    return (
        memories != _rows(answers, row, "memory_frames", "memory_cond", "memory_tpos_row")
        or pointers != _rows(answers, row, "pointer_frames", "pointer_cond", "pointer_age")
        or divisor != int(answers["pointer_age_divisor"][row])
    )


def _rows(answers: Mapping[str, Array], row: int, *names: str) -> list[tuple[int, ...]]:
    columns = [answers[name][row].tolist() for name in names]
    return [each for each in zip(*columns, strict=True) if each[0] not in (_NO_FRAME, _NO_AGE)]


def _of_features(features: Array, answers: Mapping[str, Array], key: str) -> float:
    """Return the largest difference of a part, and of each channel's mean and deviation."""
    given = {name: answers[f"{key}_{name}"] for name in ("slice", "mean", "std")}
    differences = (
        _largest(features[_PART], given["slice"]),
        _largest(features.mean((1, 2), np.float64), given["mean"]),
        _largest(features.std((1, 2), np.float64), given["std"]),
    )
    return float(np.max(differences))


def _largest(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
