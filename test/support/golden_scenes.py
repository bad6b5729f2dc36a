"""Answers and golden frames for the tests of judging: squares of prompts in a small image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sam3_ros.core.segmenter.segments import TrackState, TrackStatus
from sam3_ros.replay.client.answered_frame import AnsweredFrame, FoundSegment
from sam3_ros.replay.golden.comparison import FrameOfLabels
from sam3_ros.replay.golden.frames import GoldenFrames, GoldenWriter
from sam3_ros.replay.golden.judge import FrameKeys

SIDE = 40
STAMP = 1_700_000_000_000_000_000
FRAME_ID = "camera_optical_frame"
# Left top corner and label value of a 20 px square.
RED, BLUE = ("red", 2, 2, 1), ("blue", 20, 20, 2)
Square = tuple[str, int, int, int]


def answer(
    *squares: Square, number: int = 0, score: float = 0.9, ids: Sequence[int] = (), **others: object
) -> AnsweredFrame:
    """Return an answer with a segment a square. ids: of their tracks, in the same order."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    segments = []
    tracks = [TrackStatus(track_id, TrackState.CONFIRMED, 4, 0) for track_id in ids]
    for prompt_id, x, y, value in squares:
        labels[y : y + 20, x : x + 20] = value
        box = (float(x), float(y), min(x + 20.0, SIDE), min(y + 20.0, SIDE))
        track = tracks[len(segments)] if tracks else None
        found = FoundSegment(prompt_id, value, len(segments) + 1, prompt_id, score, box, track)
        segments.append(found)
    told = {"frame_id": FRAME_ID, **others}
    return AnsweredFrame(STAMP + number, 0.0, labels, segments, **told)


def frame(*squares: Square, **others: object) -> FrameOfLabels:
    return FrameKeys().labelled(answer(*squares, **others))


def golden(folder: Path, *answers: AnsweredFrame) -> GoldenFrames:
    keys = FrameKeys()
    with GoldenWriter(folder) as writer:
        for one in answers:
            writer.add(keys.labelled(one))
        return writer.finish()


def failures(verdicts: object) -> Mapping[str, str]:
    """Return the failures of each prompt or check that did not pass, by its id or name."""
    named = {getattr(v, "prompt_id", getattr(v, "name", "")): v for v in verdicts}
    return {name: "; ".join(v.failures) for name, v in named.items() if not v.passed}
