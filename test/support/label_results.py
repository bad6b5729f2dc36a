"""Results of a labelling, made by hand of the shapes in the tests' bags."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bags import FRAME_ID, IMAGES, SIDE_FRAME_ID, SIDE_IMAGES, SIDE_LATER_NS, frame, stamp_ns

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.label.answers import ChunkAnswer, LabelledFrame, LabelledObject
from sam3_ros.label.chunk import LabelSource, SourceKind
from sam3_ros.label.chunk_file import chunk_path, write_chunk_file
from sam3_ros.label.results import Category, LabelledSource, LabelledTopic, RunResults

#: Prompt ids and labels; the ball's label is hostile to HTML.
CUBES, BALLS, BALL_LABEL = "cubes", "balls", '<b>ball</b> & "round"'
CATEGORIES = (Category(1, CUBES, "cube"), Category(2, BALLS, BALL_LABEL))
#: The one image that could not be answered, and the one in which a tracked ball is hidden.
FAILED, HIDDEN = 4, 2
BALL = 3  # its number in the bag's truth


@dataclass(frozen=True)
class Shape:
    """What is true of an object in an image."""

    number: int
    mask: np.ndarray
    score: float


def shapes(number: int, topic: str) -> list[Shape]:
    """Return the objects of an image in the order of the prompts."""
    labels = frame(number)[1]
    labels = labels if topic == IMAGES else labels[:, ::-1]
    order = [1, 2, 4, BALL]
    return [Shape(each, labels == each, 0.95 - 0.1 * each - 0.01 * number) for each in order]


def label_results(
    work: Path, bags: dict[str, Path], frames: int, *, tracked: bool = False, chunk: int = 3
) -> RunResults:
    """Return results of bags of two cameras (write_bag(side=True)), by the names of the sources."""
    sources = [
        _labelled(LabelSource(SourceKind.BAG, str(path), name, "f"), work, frames, tracked, chunk)
        for name, path in sorted(bags.items())
    ]
    return RunResults(sources, CATEGORIES, "ab" * 32, "shapes", "9.9.9", tracked, "digest")


def _labelled(
    source: LabelSource, work: Path, frames: int, tracked: bool, chunk: int
) -> LabelledSource:
    folder = work / source.key
    folder.mkdir(parents=True)
    topics, number = [], 0
    for topic in (IMAGES, SIDE_IMAGES):
        numbers = []
        for begin in range(0, frames, chunk):
            places = range(begin, min(begin + chunk, frames))
            answers = tuple(_frame(place, topic, tracked) for place in places)
            span = 0 if tracked else None
            answer = ChunkAnswer(source.name, topic, number, span, answers)
            write_chunk_file(chunk_path(folder, number), answer)
            numbers.append(number)
            number += 1
            if tracked and begin == 0:  # the whole topic is one span
                break
        topics.append(LabelledTopic(topic, tuple(numbers)))
    return LabelledSource(source, folder, tuple(topics))


def _frame(number: int, topic: str, tracked: bool) -> LabelledFrame:
    is_front = topic == IMAGES
    time_ns = stamp_ns(number) + (0 if is_front else SIDE_LATER_NS)
    labels = frame(number)[1]
    failure = "no picture" if number == FAILED and is_front else ""
    objects = () if failure else tuple(_object(s, number, tracked) for s in shapes(number, topic))
    return LabelledFrame(
        index=number,
        time_ns=time_ns,
        stamp_ns=time_ns,
        frame_id=FRAME_ID if is_front else SIDE_FRAME_ID,
        size=ImageSize(*labels.shape),
        file="",
        objects=objects,
        failure=failure,
    )


def _object(shape: Shape, number: int, tracked: bool) -> LabelledObject:
    is_hidden = tracked and shape.number == BALL and number == HIDDEN
    mask = np.zeros_like(shape.mask) if is_hidden else shape.mask
    around = mask_bounds(shape.mask)
    assert around is not None
    left, top, right, bottom = map(int, around.as_tuple())
    is_ball = shape.number == BALL
    return LabelledObject(
        prompt_id=BALLS if is_ball else CUBES,
        label=BALL_LABEL if is_ball else "cube",
        score=0.0 if is_hidden else shape.score,
        box=(left - 0.5, top - 0.5, right + 0.5, bottom + 0.5),
        bounds=None if is_hidden else (left, top, right, bottom),
        area=int(mask.sum()),
        counts=RunLengths.of(mask).document()["counts"],
        track_id=shape.number if tracked else None,
        track_state=("occluded" if is_hidden else "confirmed") if tracked else "",
    )
