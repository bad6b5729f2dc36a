"""Which answer of the node is shown."""

from __future__ import annotations

import pytest
from sam3_ros.msg import SegmentScore, SegmentScores

from sam3_ros.asking.answer_choice import AnswerChoice

CLICK, TEXTS = {"point"}, {"red", "blue"}


def scores(*ids: str) -> SegmentScores:
    return SegmentScores(segments=[SegmentScore(prompt_id=each) for each in ids])


@pytest.fixture
def choice() -> AnswerChoice:
    """Return a choice for a question that was taken, with an answer from before."""
    choice = AnswerChoice()
    choice.note(scores("point", "red"), 0.0)
    choice.question_taken()
    return choice


def test_an_answer_from_before_is_none(choice):
    assert choice.settled([CLICK], 9.0) is choice.best([CLICK]) is None


def test_a_click_that_is_answered_once_is_shown_once_no_other_answer_follows(choice):
    answer = scores("point")
    choice.note(answer, 10.0)
    assert choice.settled([CLICK], 10.1) is None
    assert choice.settled([CLICK], 10.6) is answer


def test_the_first_answer_may_have_the_click_before(choice):
    before, answer = scores("point"), scores("point")
    choice.note(before, 10.0)
    choice.note(answer, 10.1)
    assert choice.settled([CLICK], 10.1) is answer


def test_a_click_that_has_ended_by_the_next_image_was_answered(choice):
    answer = scores("point")
    choice.note(answer, 10.0)
    choice.note(scores(), 10.2)
    assert choice.settled([CLICK], 10.2) is answer


@pytest.mark.parametrize("found", [(), ("blue",)])
def test_of_texts_the_second_answer_is_sure_whether_it_found_all_or_nothing(choice, found):
    answer = scores(*found)
    choice.note(scores(), 10.0)
    assert choice.settled([TEXTS], 19.0) is None
    choice.note(answer, 20.0)
    assert choice.settled([TEXTS], 20.0) is answer


def test_of_several_messages_the_answer_with_all_is_shown(choice):
    both = scores("point", "box")
    choice.note(scores("point"), 10.0)
    choice.question_taken()
    choice.note(both, 10.2)
    assert choice.settled([CLICK, {"box"}], 10.8) is both
