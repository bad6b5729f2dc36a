"""Which answers count for which prompt, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam3_ros.ros.replay.answered_frame import AnsweredFrame, FoundSegment
from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, TextCue
from sam3_ros.ros.replay.prompt_judge import PromptJudge
from sam3_ros.ros.replay.truth import TrueObject, Truth

STAMP = 10
# A red cube in the left column, a blue ball in the middle one, nothing on the right.
LABELS = np.array([[1, 2, 0], [1, 2, 0]], np.uint8)
TRUTH = Truth({STAMP: LABELS}, {1: TrueObject("red", "cube"), 2: TrueObject("blue", "ball")})


def answer(at: float, labels: object = LABELS, **values: int) -> AnsweredFrame:
    """values: prompt id to label value."""
    segments = [FoundSegment(name.replace("_", " "), value) for name, value in values.items()]
    return AnsweredFrame(STAMP, at, np.asarray(labels, np.uint8), segments)


def asked_text(judge: PromptJudge, text: str, now: float = 0.0) -> None:
    judge.published(TextCue(now, text), STAMP)
    judge.told(text, accepted=True, reason="", now=now)


def judge_answer(judge: PromptJudge, frame: AnsweredFrame) -> None:
    judge.answered(replace(frame, certain=judge.is_certain(frame.sent_at)))


def test_a_text_is_judged_by_the_objects_it_names():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "red cube")
    judge.answered(answer(1, red_cube=1))
    judge.answered(answer(2, [[1, 1, 0], [1, 1, 0]], red_cube=1))
    (report,) = judge.reports()
    assert (report.kind, report.asked) == ("text", "red cube")
    assert (report.frames, report.found, report.judged) == (2, 2, 2)
    assert report.iou == pytest.approx((1 + 0.5) / 2)


def test_finding_nothing_where_something_is_scores_zero():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "red cube")
    judge.answered(answer(1))
    (report,) = judge.reports()
    assert (report.found, report.judged, report.iou) == (0, 1, 0.0)


def test_what_is_absent_counts_as_rightly_or_wrongly_answered():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "green star")
    judge.answered(answer(1))
    judge.answered(answer(2, green_star=1))
    (report,) = judge.reports()
    assert (report.rightly_nothing, report.wrongly_something) == (1, 1)
    assert (report.judged, report.iou) == (2, None)


def test_a_phrase_that_the_truth_cannot_tell_is_counted_and_not_judged():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "banana")
    judge.answered(answer(1, banana=1))
    (report,) = judge.reports()
    assert (report.frames, report.found, report.judged) == (1, 1, 0)


def test_around_a_change_of_text_nothing_is_judged():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "red cube", now=0)
    judge.answered(answer(1, red_cube=1))
    judge.published(TextCue(2, "blue ball"), STAMP)
    judge_answer(judge, answer(1.9, red_cube=1))  # its answer came while the change was under way
    judge.told("blue ball", accepted=True, reason="", now=2.5)
    judge_answer(judge, answer(2.4))  # sent before the node had the new text
    judge_answer(judge, answer(2.6, blue_ball=2))
    assert [(r.asked, r.frames, r.iou) for r in judge.reports()] == [
        ("red cube", 1, 1.0),
        ("blue ball", 1, 1.0),
    ]


def test_a_refused_text_leaves_the_one_before_in_use():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "red cube", now=0)
    judge.published(TextCue(1, "x"), STAMP)
    judge.told("x", accepted=False, reason="too odd", now=1)
    judge.answered(answer(2, red_cube=1))
    red, refused = judge.reports()
    assert (red.frames, red.refused) == (1, "")
    assert (refused.frames, refused.refused) == (0, "too odd")


def test_cleared_texts_are_no_longer_judged():
    judge = PromptJudge(TRUTH)
    asked_text(judge, "red cube", now=0)
    asked_text(judge, "", now=1)
    judge.answered(answer(2))
    assert [r.frames for r in judge.reports()] == [0]


def test_a_click_is_judged_once_by_the_object_below_it():
    judge = PromptJudge(TRUTH)
    judge.published(PointCue(0, 1.5, 0.5), STAMP)
    judge.answered(answer(1))  # sent before the click came
    judge.answered(answer(2, point=2))
    judge.answered(answer(3, [[0, 0, 2], [0, 0, 2]], point=2))  # click_frames may be more than 1
    (report,) = judge.reports()
    assert (report.kind, report.asked) == ("click", "on the blue ball")
    assert (report.frames, report.found, report.judged, report.iou) == (1, 1, 1, 1.0)


def test_a_box_is_judged_by_the_object_it_is_around():
    judge = PromptJudge(TRUTH)
    judge.published(BoxCue(0, 0, 0, 1, 2), STAMP)
    judge.answered(answer(1, box=1))
    (report,) = judge.reports()
    assert (report.kind, report.asked, report.iou) == ("box", "on the red cube", 1.0)


def test_clicks_on_one_object_are_one_row_and_misses_show():
    judge = PromptJudge(TRUTH)
    for at in range(3):
        judge.published(PointCue(at, 0.5, 0.5), STAMP)
        judge.answered(answer(at, **({"point": 1} if at else {})))
    (report,) = judge.reports()
    assert (report.frames, report.found) == (3, 2)


def test_a_click_on_the_table_is_counted_and_not_judged():
    judge = PromptJudge(TRUTH)
    judge.published(PointCue(0, 2.5, 0.5), STAMP)
    judge.answered(answer(1, point=2))
    (report,) = judge.reports()
    assert (report.asked, report.found, report.judged) == ("at 2.5,0.5", 1, 0)


def test_a_refused_click_says_why():
    judge = PromptJudge(TRUTH)
    judge.published(PointCue(0, 99, 99), STAMP)
    judge.told("point", accepted=False, reason="outside the image", now=0)
    judge.answered(answer(1, point=1))
    (report,) = judge.reports()
    assert (report.found, report.refused) == (0, "outside the image")


def test_without_truth_answers_are_counted():
    judge = PromptJudge(None)
    asked_text(judge, "red cube")
    judge.published(PointCue(0, 5, 6), STAMP)
    judge.answered(answer(1, red_cube=1, point=2))
    assert [(r.asked, r.found, r.judged) for r in judge.reports()] == [
        ("red cube", 1, 0),
        ("at 5,6", 1, 0),
    ]
