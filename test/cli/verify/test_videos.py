"""How the answers of a video are compared with the original's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import Attended, AttendedFrame, MemoryRules
from sam3_ros.core.tracking.memory.stages import FrameAnswer
from sam3_ros.export.verification.undecided_pixels import cut_otherwise, undecided_pixels
from sam3_ros.export.verification.video_case import VideoCase
from sam3_ros.export.verification.video_reference import video_figures
from sam3_ros.export.verification.video_replay import Replayed

SIDE = 288
#: A click, and the frames that were tracked after it.
FRAMES = 5


def logits_of(frame: int) -> Array:
    values = np.random.default_rng(frame).standard_normal((SIDE, SIDE))
    return values.astype(np.float16).astype(np.float32)


def attended_by(frame: int) -> Attended | None:
    if frame == 0:
        return None
    return Attended(
        (AttendedFrame(0, 0, prompted=True),), (AttendedFrame(0, frame, prompted=True),)
    )


def replayed() -> list[Replayed]:
    return [
        Replayed(
            kind="track" if frame else "prompt",
            frame=frame,
            obj=1,
            answer=FrameAnswer(
                mask_logits=logits_of(frame),
                iou=0.75,
                ious=np.array([0.5, 0.75, 0.25, 0.5], np.float32),
                chosen=1,
                several=True,
                object_score=3.0,
                decoder_score=3.0,
                pointer=np.full(256, frame, np.float32),
            ),
            attended=attended_by(frame),
        )
        for frame in range(FRAMES)
    ]


def case_of(found: list[Replayed]) -> VideoCase:
    """Return the case that was answered just so."""
    tracked = [each.frame > 0 for each in found]
    answers: dict[str, Any] = {
        "kind": [each.kind for each in found],
        "frame": [each.frame for each in found],
        "obj": [each.obj for each in found],
        "masks": np.stack([each.answer.mask_logits for each in found]).astype(np.float16),
        "mask_stride": 1,
        "foreground": [(each.answer.mask_logits > 0).mean() for each in found],
        "iou": [each.answer.iou for each in found],
        "iou4": np.stack([each.answer.ious for each in found]),
        "object_score": [each.answer.object_score for each in found],
        "pointers": np.stack([each.answer.pointer for each in found]),
        "chosen": [each.answer.chosen for each in found],
        "multimask": [each.answer.several for each in found],
        "memory_frames": [[0 if each else -1] for each in tracked],
        "memory_cond": [[1 if each else -1] for each in tracked],
        "memory_tpos_row": [[6 if each else -1] for each in tracked],
        "pointer_frames": [[0 if each else -1] for each in tracked],
        "pointer_cond": [[1 if each else -1] for each in tracked],
        "pointer_age": [[each.frame if each.frame else -99] for each in found],
        "pointer_age_divisor": [15 if each else 0 for each in tracked],
    }
    return VideoCase(
        name="made",
        weights_seed=1,
        score_shift=0.0,
        iou_bias=(0.0, 0.0, 0.0, 0.0),
        frames=tuple((1, each.frame) for each in found),
        steps=(),
        continues="",
        rules=MemoryRules(),
        settings={},
        answers={name: np.asarray(value) for name, value in answers.items()},
    )


def failed(case: VideoCase, found: list[Replayed]) -> set[str]:
    return {figure.tensor for figure in video_figures(case, found) if not figure.passed}


def changed(frame: int, **values: Any) -> list[Replayed]:
    found = replayed()
    found[frame] = replace(found[frame], answer=replace(found[frame].answer, **values))
    return found


def moved(frame: int, by: float, pixels: int = SIDE * SIDE) -> list[Replayed]:
    """Return the answers with the last pixels of one moved away from 0."""
    logits = logits_of(frame)
    flat = logits.reshape(-1)
    flat[-pixels:] += np.where(flat[-pixels:] > 0, by, -by).astype(np.float32)
    return changed(frame, mask_logits=logits)


def test_equal_answers_pass() -> None:
    assert not failed(case_of(replayed()), replayed())


@pytest.mark.parametrize(
    ("found", "figure"),
    [
        (changed(2, chosen=3), "other mask chosen"),
        (changed(2, ious=np.zeros(4, np.float32)), "IoU of every mask, first 3"),
        (changed(2, pointer=np.full(256, 2.002, np.float32)), "pointers, first 3"),
        (changed(2, pointer=np.full(256, np.nan, np.float32)), "pointers, first 3"),
        (changed(4, pointer=np.full(256, np.nan, np.float32)), "pointers, later"),
        (changed(2, mask_logits=-logits_of(2)), "mask pixels equal, first 3"),
        (changed(2, object_score=3.01), "object score, first 3"),
        (moved(2, 3e-3, pixels=1300), "mask logits within 0.001, first 3"),
        (moved(2, 0.45, pixels=1), "mask logits, largest, first 3"),
        (moved(4, 0.08, pixels=300), "mask logits within 0.06, later"),
        (moved(4, 1.6, pixels=1), "mask logits, largest, later"),
        (replayed()[:-1], "answers of other frames or objects"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_answer_is_named(found: list[Replayed], figure: str) -> None:
    assert figure in failed(case_of(replayed()), found)


@pytest.mark.parametrize(("frame", "by", "pixels"), [(2, 0.05, 50), (4, 0.05, SIDE * SIDE)])
def test_what_rounding_moves_passes(frame: int, by: float, pixels: int) -> None:
    assert not failed(case_of(replayed()), moved(frame, by, pixels))


@pytest.mark.parametrize("frame", [2, 3])
def test_answers_from_a_correction_on_are_held_to_the_limits_of_later_ones(frame: int) -> None:
    """Clicks on frame 2, which was tracked, after those on frame 0."""
    found = replayed()
    found[2] = replace(found[2], kind="prompt", attended=None)
    case = case_of(found)
    answers = dict(case.answers)
    for name, none in (("memory_frames", -1), ("pointer_frames", -1), ("pointer_age_divisor", 0)):
        answers[name][2] = none
    case = replace(case, answers=answers)
    assert not failed(case, found)

    moved_logits = moved(frame, 0.05)[frame].answer.mask_logits
    found[frame] = replace(
        found[frame], answer=replace(found[frame].answer, mask_logits=moved_logits)
    )
    assert not failed(case, found)
    wrong = replace(found[frame].answer, pointer=np.full(256, frame + 0.06, np.float32))
    found[frame] = replace(found[frame], answer=wrong)
    assert failed(case, found) == {"pointers, later"}


def test_another_age_is_named() -> None:
    found = replayed()
    older = Attended(attended_by(2).memories, (AttendedFrame(0, 3, prompted=True),))  # type: ignore[union-attr]
    found[2] = replace(found[2], attended=older)
    assert failed(case_of(replayed()), found) == {"other frames or ages attended to"}


def test_pixels_within_rounding_of_0_are_found() -> None:
    logits = np.full((4, 4), 2.0, np.float32)
    logits[1, 2], logits[3, 0], logits[0, 0] = -1e-6, 5e-7, 1e-3
    places = [place for _, *place in undecided_pixels(logits, None)]
    assert places == [[3, 0], [1, 2]]


def test_a_pixel_that_two_objects_want_alike_is_undecided() -> None:
    logits, others = np.full((2, 2), 2.0, np.float32), np.full((2, 2), -1.0, np.float32)
    others[0, 1] = np.nextafter(np.float32(2), np.float32(3))
    others[1, 1] = 3.0
    assert [place for _, *place in undecided_pixels(logits, others)] == [[0, 1]]


@pytest.mark.parametrize("true", [[], [1], [0, 2], [0, 1, 2, 3]])
def test_the_pixels_that_were_cut_otherwise_are_told_from_the_rest(true: list[int]) -> None:
    rng = np.random.default_rng(0)
    changes = [rng.standard_normal((32, 32)) * size for size in (0.1, 0.01, 0.02, 0.003)]
    rounding = rng.uniform(-1e-3, 1e-3, (32, 32))
    wanted = sum((changes[number] for number in true), rounding)
    assert cut_otherwise(wanted, changes) == true
