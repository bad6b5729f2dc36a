"""Which answers are certainly to which prompts."""

from __future__ import annotations

import numpy as np
import pytest
from sam3_ros.msg import PromptStatus

from sam3_ros.replay.ask.cues import PointCue, RemoveCue, TextCue
from sam3_ros.replay.client.answered_frame import AnsweredFrame, FoundSegment
from sam3_ros.replay.client.pending_prompts import PendingPrompts

LABELS = np.zeros((2, 2), np.uint8)


def answer(sent_at: float, *ids: str, stamp: int = 0, repeat: bool = False) -> AnsweredFrame:
    segments = [FoundSegment(prompt_id, 1) for prompt_id in ids]
    return AnsweredFrame(stamp, sent_at, LABELS, segments, latency=0.5, repeat=repeat)


def word(prompt_id: str, reason: str = "") -> PromptStatus:
    return PromptStatus(prompt_id=prompt_id, accepted=not reason, reason=reason)


@pytest.fixture
def tickets() -> PendingPrompts:
    return PendingPrompts()


def test_a_text_counts_from_the_first_image_after_the_nodes_word(tickets):
    tickets.published(TextCue(0, "red; blue"), None, is_quiet=False)
    assert not tickets.is_certain(answer(1))
    assert tickets.told(word("red"), now=2) is None
    assert not tickets.is_certain(answer(1.9))
    ticket = tickets.told(word("blue"), now=2)
    assert ticket.told_at == 2
    assert [tickets.is_certain(answer(at)) for at in (1.9, 2.1)] == [False, True]


def test_a_refused_message_is_told_with_its_first_refused_prompt(tickets):
    ticket = tickets.published(TextCue(0, "red; blue"), None, is_quiet=False)
    assert tickets.told(word("blue", "too odd"), now=2) is ticket
    assert ticket.told_at is None
    assert not tickets.has_some_under_way


def test_what_gives_way_or_is_lost_is_no_word_about_a_message(tickets):
    tickets.published(PointCue(0, 1, 1), None, is_quiet=True)
    assert tickets.told(word("point", "no longer asked: it gave way"), now=1) is None
    assert tickets.told(word("other"), now=1) is None
    assert tickets.has_some_under_way


def test_cleared_and_removed_prompts_are_told_too(tickets):
    for cue, prompt_id in ((TextCue(0, ""), ""), (RemoveCue(0, "mine"), "mine")):
        ticket = tickets.published(cue, None, is_quiet=True)
        assert tickets.is_waiting(ticket)
        assert tickets.told(word(prompt_id), now=1) is ticket
        assert not tickets.is_under_way(ticket)


def test_a_click_on_an_image_disturbs_that_image_alone_and_lands_with_its_second_answer(tickets):
    ticket = tickets.published(PointCue(0, 1, 1), 7, is_quiet=False)
    tickets.told(word("point"), now=2)
    assert [tickets.is_certain(answer(1, stamp=s)) for s in (7, 8)] == [False, True]
    again = answer(1, "point", stamp=7, repeat=True)
    assert tickets.is_certain(again)
    tickets.answered(again)
    assert not tickets.is_under_way(ticket)
    assert tickets.is_certain(answer(1, stamp=7))


def test_an_answer_may_overtake_the_nodes_word(tickets):
    ticket = tickets.published(PointCue(0, 1, 1), 7, is_quiet=True)
    tickets.answered(answer(1, "point", stamp=7, repeat=True))
    assert tickets.is_waiting(ticket)
    tickets.told(word("point"), now=2)
    assert not tickets.is_under_way(ticket)


def test_a_click_before_the_first_image_is_certainly_asked_of_it(tickets):
    tickets.published(PointCue(0, 1, 1), None, is_quiet=True)
    tickets.told(word("point"), now=2)
    first = answer(3, "point")
    assert tickets.is_certain(first)
    tickets.answered(first)
    assert not tickets.has_some_under_way


def test_a_click_on_the_newest_may_be_of_any_image_under_way(tickets):
    tickets.published(PointCue(0, 1, 1), None, is_quiet=False)
    tickets.told(word("point"), now=2)
    assert not tickets.is_certain(answer(3))


def test_a_prompt_that_lasts_counts_from_the_image_after_its_first_answer(tickets):
    tickets.published(PointCue(0, 1, 1, sticky=True), 7, is_quiet=False)
    tickets.told(word("followed"), now=1)
    tickets.answered(answer(1, "followed", stamp=7, repeat=True))  # came at 1.5
    assert [tickets.is_certain(answer(at)) for at in (1.4, 1.6)] == [False, True]


def test_two_clicks_at_a_time_leave_open_which_was_answered(tickets):
    for _ in range(2):
        tickets.published(PointCue(0, 1, 1), 7, is_quiet=True)
    assert not tickets.is_certain(answer(1, "point", stamp=7, repeat=True))


def test_a_click_that_is_refused_late_is_no_longer_under_way(tickets):
    tickets.published(PointCue(0, 1, 1), 7, is_quiet=True)
    tickets.told(word("point"), now=1)
    tickets.refused_late("point")
    assert not tickets.has_some_under_way
