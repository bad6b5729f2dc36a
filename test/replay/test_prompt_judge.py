"""Which answers count for which prompt, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam3_ros.replay.ask.cues import BoxCue, PointCue, RemoveCue, TextCue
from sam3_ros.replay.bag.truth import TrueObject, Truth
from sam3_ros.replay.client.answered_frame import AnsweredFrame, FoundSegment
from sam3_ros.replay.client.prompt_statistics import PromptStatistics

STAMP = 10
# A red cube in the left column, a blue ball in the middle one, nothing on the right.
LABELS = np.array([[1, 2, 0], [1, 2, 0]], np.uint8)
TRUTH = Truth({STAMP: LABELS}, {1: TrueObject("red", "cube"), 2: TrueObject("blue", "ball")})


def answer(at: float, labels: object = LABELS, **values: int) -> AnsweredFrame:
    """values: prompt id to label value."""
    segments = [FoundSegment(name.replace("_", " "), value) for name, value in values.items()]
    return AnsweredFrame(STAMP, at, np.asarray(labels, np.uint8), segments)


def asked_text(judge: PromptStatistics, text: str, **options: str) -> None:
    cue = TextCue(0.0, text, **options)
    judge.published(cue, STAMP)
    judge.taken(cue)


def answered(judge: PromptStatistics, frame: AnsweredFrame) -> None:
    judge.answered(frame, texts_are_certain=True)


def test_a_text_is_judged_by_the_objects_it_names():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "red cube")
    answered(judge, answer(1, red_cube=1))
    answered(judge, answer(2, [[1, 1, 0], [1, 1, 0]], red_cube=1))
    (report,) = judge.reports()
    assert (report.kind, report.asked) == ("text", "red cube")
    assert (report.frames, report.found, report.judged) == (2, 2, 2)
    assert report.iou == pytest.approx((1 + 0.5) / 2)


def test_finding_nothing_where_something_is_scores_zero():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "red cube")
    answered(judge, answer(1))
    (report,) = judge.reports()
    assert (report.found, report.judged, report.iou) == (0, 1, 0.0)


def test_what_is_absent_counts_as_rightly_or_wrongly_answered():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "green star")
    answered(judge, answer(1))
    answered(judge, answer(2, green_star=1))
    (report,) = judge.reports()
    assert (report.rightly_nothing, report.wrongly_something) == (1, 1)
    assert (report.judged, report.iou) == (2, None)


def test_a_phrase_that_the_truth_cannot_tell_is_counted_and_not_judged():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "banana")
    answered(judge, answer(1, banana=1))
    (report,) = judge.reports()
    assert (report.frames, report.found, report.judged) == (1, 1, 0)


def test_where_the_texts_are_not_certain_nothing_is_judged():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "red cube")
    judge.answered(answer(1, red_cube=1), texts_are_certain=False)
    assert [(r.asked, r.frames) for r in judge.reports()] == [("red cube", 0)]


def test_a_refused_text_leaves_the_one_before_in_use():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "red cube")
    judge.published(TextCue(1, "x"), STAMP)
    judge.refused(TextCue(1, "x"), "too odd")
    answered(judge, answer(2, red_cube=1))
    red, refused = judge.reports()
    assert (red.frames, red.refused) == (1, "")
    assert (refused.frames, refused.refused) == (0, "too odd")


def test_texts_of_all_cameras_of_this_one_and_with_an_id_are_asked_beside_each_other():
    judge = PromptStatistics(TRUTH, "front")
    asked_text(judge, "green star")
    asked_text(judge, "red cube", camera="front")
    asked_text(judge, "blue ball", id="mine")
    answered(judge, answer(1, red_cube=1, mine=2))
    judge.taken(RemoveCue(2, "mine"))
    answered(judge, answer(3, red_cube=1))
    assert [(r.asked, r.frames, r.iou) for r in judge.reports()] == [
        ("green star", 2, None),
        ("red cube", 2, 1.0),
        ("blue ball", 1, 1.0),
    ]
    assert {r.camera for r in judge.reports()} == {"front"}


def test_cleared_texts_are_no_longer_judged():
    judge = PromptStatistics(TRUTH)
    asked_text(judge, "red cube")
    asked_text(judge, "")
    answered(judge, answer(2))
    assert [r.frames for r in judge.reports()] == [0]


def test_a_click_is_judged_once_by_the_object_below_it():
    judge = PromptStatistics(TRUTH)
    judge.published(PointCue(0, 1.5, 0.5), STAMP)
    answered(judge, answer(1))  # sent before the click came
    answered(judge, answer(2, point=2))
    answered(judge, answer(3, [[0, 0, 2], [0, 0, 2]], point=2))  # click_frames may be more than 1
    (report,) = judge.reports()
    assert (report.kind, report.asked) == ("click", "on the blue ball")
    assert (report.frames, report.found, report.judged, report.iou) == (1, 1, 1, 1.0)


def test_a_box_is_judged_by_the_object_it_is_around():
    judge = PromptStatistics(TRUTH)
    judge.published(BoxCue(0, 0, 0, 1, 2), STAMP)
    answered(judge, answer(1, box=1))
    (report,) = judge.reports()
    assert (report.kind, report.asked, report.iou) == ("box", "on the red cube", 1.0)


def test_clicks_on_one_object_are_one_row_and_misses_show():
    judge = PromptStatistics(TRUTH)
    for at in range(3):
        judge.published(PointCue(at, 0.5, 0.5), STAMP)
        answered(judge, answer(at, **({"point": 1} if at else {})))
    (report,) = judge.reports()
    assert (report.frames, report.found) == (3, 2)


def test_a_click_on_the_table_is_counted_and_not_judged():
    judge = PromptStatistics(TRUTH)
    judge.published(PointCue(0, 2.5, 0.5), STAMP)
    answered(judge, answer(1, point=2))
    (report,) = judge.reports()
    assert (report.asked, report.found, report.judged) == ("at 2.5,0.5", 1, 0)


def test_a_refused_click_says_why():
    judge = PromptStatistics(TRUTH)
    click = PointCue(0, 99, 99)
    judge.published(click, STAMP)
    judge.refused(click, "outside the image")
    answered(judge, answer(1, point=1))
    (report,) = judge.reports()
    assert (report.found, report.refused) == (0, "outside the image")


def test_without_truth_answers_are_counted():
    judge = PromptStatistics(None)
    asked_text(judge, "red cube")
    judge.published(PointCue(0, 5, 6), STAMP)
    answered(judge, answer(1, red_cube=1, point=2))
    assert [(r.asked, r.found, r.judged) for r in judge.reports()] == [
        ("red cube", 1, 0),
        ("at 5,6", 1, 0),
    ]


def test_clicks_that_name_their_images_wait_for_them_each():
    judge = PromptStatistics(TRUTH)
    for _ in range(2):
        judge.published(PointCue(0, 0.5, 0.5), STAMP, is_named=True)
    answered(judge, replace(answer(1, point=1), bag_stamp_ns=STAMP + 1))
    for at in (2, 3):
        answered(judge, replace(answer(at, point=1), repeat=True))
    (report,) = judge.reports()
    assert (report.frames, report.found, report.judged) == (2, 2, 2)


def test_a_click_that_could_not_be_answered_after_all_says_why():
    judge = PromptStatistics(TRUTH)
    click = PointCue(0, 0.5, 0.5)
    judge.published(click, STAMP)
    judge.taken(click)
    judge.dropped("point", "inference failed")
    answered(judge, answer(1, point=1))
    (report,) = judge.reports()
    assert (report.found, report.refused) == (0, "inference failed")


def followed_from(number: int) -> PromptStatistics:
    judge = PromptStatistics(TRUTH)
    cue = PointCue(0, number - 0.5, 0.5, sticky=True)
    judge.published(cue, STAMP, now=0.5)
    judge.taken(cue)
    answered(judge, answer(1, followed=number))
    return judge


def test_a_followed_object_is_judged_in_every_frame_from_its_first_answer_on():
    judge = followed_from(2)
    answered(judge, replace(answer(1, followed=2), repeat=True))  # for another click
    answered(judge, answer(2, [[0, 2, 2], [0, 2, 2]], followed=2))
    (report,) = judge.reports()
    assert (report.kind, report.asked) == ("followed", "blue ball")
    assert (report.frames, report.found, report.judged, report.iou) == (2, 2, 2, 0.75)
    assert report.delay_ms == pytest.approx(500)


def test_a_lost_object_counts_until_it_was_seen_last():
    judge = followed_from(2)
    answered(judge, answer(2))
    judge.dropped("followed", "no longer followed: too small")
    answered(judge, answer(3))
    (report,) = judge.reports()
    assert (report.frames, report.iou, report.lost) == (1, 1.0, "no longer followed: too small")


def test_what_is_followed_and_not_found_counts_as_missed():
    judge = followed_from(2)
    answered(judge, answer(2))
    answered(judge, answer(3, followed=2))
    answered(judge, answer(4))
    (report,) = judge.reports()
    assert (report.frames, report.found, report.judged) == (4, 2, 4)
    assert report.iou == pytest.approx(0.5)


def test_a_removed_object_is_not_lost():
    judge = followed_from(1)
    judge.taken(RemoveCue(2, "followed"))
    answered(judge, answer(3))
    (report,) = judge.reports()
    assert (report.frames, report.iou, report.lost) == (1, 1.0, "")
