"""Which answers count for which prompt, and their IoU with the ground truth."""

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
    """Return a frame answered at `at`, with a segment of each prompt id and label value."""
    segments = [FoundSegment(name.replace("_", " "), value) for name, value in values.items()]
    return AnsweredFrame(STAMP, at, np.asarray(labels, np.uint8), segments)


def asked_text(statistics: PromptStatistics, text: str, **options: str) -> None:
    cue = TextCue(0.0, text, **options)
    statistics.published(cue, STAMP)
    statistics.accepted(cue)


def answered(statistics: PromptStatistics, frame: AnsweredFrame) -> None:
    statistics.answered(frame, texts_are_certain=True)


def test_a_text_is_judged_by_the_objects_it_names():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    answered(statistics, answer(1, red_cube=1))
    answered(statistics, answer(2, [[1, 1, 0], [1, 1, 0]], red_cube=1))
    (report,) = statistics.reports()
    assert (report.kind, report.asked) == ("text", "red cube")
    assert (report.frames, report.found, report.judged) == (2, 2, 2)
    assert report.iou == pytest.approx((1 + 0.5) / 2)


def test_finding_nothing_where_something_is_scores_zero():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    answered(statistics, answer(1))
    (report,) = statistics.reports()
    assert (report.found, report.judged, report.iou) == (0, 1, 0.0)


def test_what_is_absent_counts_as_rightly_or_wrongly_answered():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "green star")
    answered(statistics, answer(1))
    answered(statistics, answer(2, green_star=1))
    (report,) = statistics.reports()
    assert (report.rightly_nothing, report.wrongly_something) == (1, 1)
    assert (report.judged, report.iou) == (2, None)


def test_a_phrase_that_the_ground_truth_does_not_know_is_counted_and_not_judged():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "banana")
    answered(statistics, answer(1, banana=1))
    (report,) = statistics.reports()
    assert (report.frames, report.found, report.judged) == (1, 1, 0)


def test_with_uncertain_texts_nothing_is_judged():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    statistics.answered(answer(1, red_cube=1), texts_are_certain=False)
    assert [(r.asked, r.frames) for r in statistics.reports()] == [("red cube", 0)]


def test_a_refused_text_leaves_the_one_before_in_use():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    statistics.published(TextCue(1, "x"), STAMP)
    statistics.refused(TextCue(1, "x"), "too odd")
    answered(statistics, answer(2, red_cube=1))
    red, refused = statistics.reports()
    assert (red.frames, red.refused) == (1, "")
    assert (refused.frames, refused.refused) == (0, "too odd")


def test_texts_for_all_cameras_for_this_one_and_with_an_id_are_asked_together():
    statistics = PromptStatistics(TRUTH, "front")
    asked_text(statistics, "green star")
    asked_text(statistics, "red cube", camera="front")
    asked_text(statistics, "blue ball", id="mine")
    answered(statistics, answer(1, red_cube=1, mine=2))
    statistics.accepted(RemoveCue(2, "mine"))
    answered(statistics, answer(3, red_cube=1))
    assert [(r.asked, r.frames, r.iou) for r in statistics.reports()] == [
        ("green star", 2, None),
        ("red cube", 2, 1.0),
        ("blue ball", 1, 1.0),
    ]
    assert {r.camera for r in statistics.reports()} == {"front"}


def test_cleared_texts_are_no_longer_judged():
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    asked_text(statistics, "")
    answered(statistics, answer(2))
    assert [r.frames for r in statistics.reports()] == [0]


def test_a_click_is_judged_once_by_the_object_below_it():
    statistics = PromptStatistics(TRUTH)
    statistics.published(PointCue(0, 1.5, 0.5), STAMP)
    answered(statistics, answer(1))  # sent before the click came
    answered(statistics, answer(2, point=2))
    answered(statistics, answer(3, [[0, 0, 2], [0, 0, 2]], point=2))  # it may last longer
    (report,) = statistics.reports()
    assert (report.kind, report.asked) == ("click", "on the blue ball")
    assert (report.frames, report.found, report.judged, report.iou) == (1, 1, 1, 1.0)


def test_a_box_is_judged_by_the_object_it_is_around():
    statistics = PromptStatistics(TRUTH)
    statistics.published(BoxCue(0, 0, 0, 1, 2), STAMP)
    answered(statistics, answer(1, box=1))
    (report,) = statistics.reports()
    assert (report.kind, report.asked, report.iou) == ("box", "on the red cube", 1.0)


def test_clicks_on_one_object_are_one_row_and_misses_show():
    statistics = PromptStatistics(TRUTH)
    for at in range(3):
        statistics.published(PointCue(at, 0.5, 0.5), STAMP)
        answered(statistics, answer(at, **({"point": 1} if at else {})))
    (report,) = statistics.reports()
    assert (report.frames, report.found) == (3, 2)


def test_a_click_on_the_table_is_counted_and_not_judged():
    statistics = PromptStatistics(TRUTH)
    statistics.published(PointCue(0, 2.5, 0.5), STAMP)
    answered(statistics, answer(1, point=2))
    (report,) = statistics.reports()
    assert (report.asked, report.found, report.judged) == ("at 2.5,0.5", 1, 0)


def test_a_refused_click_says_why():
    statistics = PromptStatistics(TRUTH)
    click = PointCue(0, 99, 99)
    statistics.published(click, STAMP)
    statistics.refused(click, "outside the image")
    answered(statistics, answer(1, point=1))
    (report,) = statistics.reports()
    assert (report.found, report.refused) == (0, "outside the image")


def test_without_truth_answers_are_counted():
    statistics = PromptStatistics(None)
    asked_text(statistics, "red cube")
    statistics.published(PointCue(0, 5, 6), STAMP)
    answered(statistics, answer(1, red_cube=1, point=2))
    assert [(r.asked, r.found, r.judged) for r in statistics.reports()] == [
        ("red cube", 1, 0),
        ("at 5,6", 1, 0),
    ]


def test_clicks_that_name_their_images_each_wait_for_theirs():
    statistics = PromptStatistics(TRUTH)
    for _ in range(2):
        statistics.published(PointCue(0, 0.5, 0.5), STAMP, is_named=True)
    answered(statistics, replace(answer(1, point=1), bag_stamp_ns=STAMP + 1))
    for at in (2, 3):
        answered(statistics, replace(answer(at, point=1), repeat=True))
    (report,) = statistics.reports()
    assert (report.frames, report.found, report.judged) == (2, 2, 2)


def test_a_click_that_could_not_be_answered_after_all_says_why():
    statistics = PromptStatistics(TRUTH)
    click = PointCue(0, 0.5, 0.5)
    statistics.published(click, STAMP)
    statistics.accepted(click)
    statistics.dropped("point", "inference failed")
    answered(statistics, answer(1, point=1))
    (report,) = statistics.reports()
    assert (report.found, report.refused) == (0, "inference failed")


def followed_from(number: int) -> PromptStatistics:
    statistics = PromptStatistics(TRUTH)
    cue = PointCue(0, number - 0.5, 0.5, tracking=True)
    statistics.published(cue, STAMP, now=0.5)
    statistics.accepted(cue)
    answered(statistics, answer(1, followed=number))
    return statistics


def test_a_followed_object_is_judged_in_every_frame_from_its_first_answer_on():
    statistics = followed_from(2)
    answered(statistics, replace(answer(1, followed=2), repeat=True))  # for another click
    answered(statistics, answer(2, [[0, 2, 2], [0, 2, 2]], followed=2))
    (report,) = statistics.reports()
    assert (report.kind, report.asked) == ("followed", "blue ball")
    assert (report.frames, report.found, report.judged, report.iou) == (2, 2, 2, 0.75)
    assert report.delay_ms == pytest.approx(500)


def test_a_lost_object_counts_until_it_was_seen_last():
    statistics = followed_from(2)
    answered(statistics, answer(2))
    statistics.dropped("followed", "no longer followed: too small")
    answered(statistics, answer(3))
    (report,) = statistics.reports()
    assert (report.frames, report.iou, report.lost) == (1, 1.0, "no longer followed: too small")


def test_what_is_followed_and_not_found_counts_as_missed():
    statistics = followed_from(2)
    answered(statistics, answer(2))
    answered(statistics, answer(3, followed=2))
    answered(statistics, answer(4))
    (report,) = statistics.reports()
    assert (report.frames, report.found, report.judged) == (4, 2, 4)
    assert report.iou == pytest.approx(0.5)


def test_a_removed_object_is_not_lost():
    statistics = followed_from(1)
    statistics.accepted(RemoveCue(2, "followed"))
    answered(statistics, answer(3))
    (report,) = statistics.reports()
    assert (report.frames, report.iou, report.lost) == (1, 1.0, "")


RED_PLACE, BLUE_PLACE = (0.0, 0.0, 1.0, 2.0), (1.0, 0.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("boxes", "wrong"),
    [
        ([], 0),
        ([RED_PLACE], 0),
        ([(-5.0, -5.0, 1.0, 9.0)], 0),  # beyond the image's edge, there is nothing to compare with
        ([(0.0, 0.0, 2.0, 2.0)], 0),  # half of it is the object
        ([(0.0, 0.0, 2.2, 2.0)], 1),
        ([BLUE_PLACE], 1),
        ([RED_PLACE, BLUE_PLACE], 1),
        ([RED_PLACE, RED_PLACE], 1),  # one object, found twice
        ([BLUE_PLACE, BLUE_PLACE], 1),  # frames are counted, not segments
        ([(0.0, 0.0, 0.0, 0.0)], 1),
    ],
)
def test_a_frame_with_a_segment_that_is_nothing_of_what_was_asked_counts_as_wrong(boxes, wrong):
    statistics = PromptStatistics(TRUTH)
    asked_text(statistics, "red cube")
    segments = [FoundSegment("red cube", 1, score=0.9 - n, box=box) for n, box in enumerate(boxes)]
    answered(statistics, AnsweredFrame(STAMP, 1, LABELS, [*segments, FoundSegment("other", 2)]))
    (report,) = statistics.reports()
    assert (report.judged, report.wrong_frames) == (1, wrong)


def test_each_of_several_objects_may_be_found_once():
    truth = Truth({STAMP: LABELS}, {1: TrueObject("red", "cube"), 2: TrueObject("red", "ball")})
    for boxes, wrong in (([RED_PLACE, BLUE_PLACE], 0), ([RED_PLACE, BLUE_PLACE, RED_PLACE], 1)):
        statistics = PromptStatistics(truth)
        asked_text(statistics, "red thing")
        found = [FoundSegment("red thing", 1, box=box) for box in boxes]
        answered(statistics, AnsweredFrame(STAMP, 1, LABELS, found))
        (report,) = statistics.reports()
        assert report.wrong_frames == wrong
