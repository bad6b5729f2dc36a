"""Which objects of two track spans are the same."""

from __future__ import annotations

import numpy as np

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.label.answers import LabelledFrame, LabelledObject
from sam3_ros.label.span_joining import SpanJoining

HEIGHT, WIDTH = 8, 40


def seen(track_id: int, left: int, prompt: str = "cube") -> LabelledObject:
    """Return an object that is ten pixels wide."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[:, left : left + 10] = True
    counts = str(RunLengths.of(mask).document()["counts"])
    box = (left, 0, left + 10, HEIGHT)
    return LabelledObject(prompt, prompt, 0.9, box, box, 80, counts, track_id, "confirmed")


def frame(index: int, *objects: LabelledObject) -> LabelledFrame:
    return LabelledFrame(index, index, index, "", ImageSize(HEIGHT, WIDTH), "", objects)


def ids(joining: SpanJoining, labelled: LabelledFrame) -> list[int | None]:
    return [each.track_id for each in joining.joined(labelled).objects]


def test_an_object_that_is_on_both_sides_of_a_cut_keeps_its_id():
    joining = SpanJoining()
    joining.begin_span(None)
    assert ids(joining, frame(0, seen(1, 0), seen(2, 20))) == [1, 2]
    joining.begin_span(frame(0, seen(1, 21), seen(2, 1)))
    assert ids(joining, frame(1, seen(1, 22), seen(2, 2), seen(3, 30))) == [2, 1, 5]


def test_one_that_is_elsewhere_or_of_another_prompt_is_another():
    joining = SpanJoining()
    joining.begin_span(None)
    ids(joining, frame(0, seen(1, 0)))
    joining.begin_span(frame(0, seen(1, 6), seen(2, 0, "ball")))
    assert ids(joining, frame(1, seen(1, 6), seen(2, 0, "ball"))) == [2, 3]


def test_two_that_overlap_one_share_no_id():
    joining = SpanJoining()
    joining.begin_span(None)
    ids(joining, frame(0, seen(1, 0)))
    joining.begin_span(frame(0, seen(1, 2), seen(2, 1)))
    assert ids(joining, frame(1, seen(1, 2), seen(2, 1))) == [2, 1]


def test_where_the_span_before_is_missing_all_ids_are_new():
    joining = SpanJoining()
    joining.begin_span(None)
    ids(joining, frame(0, seen(1, 0)))
    joining.begin_span(frame(5, seen(1, 0)))
    assert ids(joining, frame(6, seen(1, 0))) == [2]
