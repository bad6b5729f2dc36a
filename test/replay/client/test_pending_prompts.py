"""Which answers were certainly asked which prompts."""

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


def status(prompt_id: str, reason: str = "") -> PromptStatus:
    return PromptStatus(prompt_id=prompt_id, accepted=not reason, reason=reason)


@pytest.fixture
def prompts() -> PendingPrompts:
    return PendingPrompts()


def test_a_text_counts_from_the_first_image_after_the_nodes_status(prompts):
    prompts.published(TextCue(0, "red; blue"), None, is_quiet=False)
    assert not prompts.is_certain(answer(1))
    assert prompts.status_came(status("red"), now=2) is None
    assert not prompts.is_certain(answer(1.9))
    prompt = prompts.status_came(status("blue"), now=2)
    assert prompt.accepted_at == 2
    assert [prompts.is_certain(answer(at)) for at in (1.9, 2.1)] == [False, True]


def test_a_refused_message_is_returned_with_its_first_refused_prompt(prompts):
    prompt = prompts.published(TextCue(0, "red; blue"), None, is_quiet=False)
    assert prompts.status_came(status("blue", "too odd"), now=2) is prompt
    assert prompt.accepted_at is None
    assert not prompts.has_any


def test_a_status_of_a_dropped_or_unknown_prompt_confirms_no_message(prompts):
    prompts.published(PointCue(0, 1, 1), None, is_quiet=True)
    assert prompts.status_came(status("point", "no longer asked: it gave way"), now=1) is None
    assert prompts.status_came(status("other"), now=1) is None
    assert prompts.has_any


def test_cleared_and_removed_prompts_are_confirmed_too(prompts):
    for cue, prompt_id in ((TextCue(0, ""), ""), (RemoveCue(0, "mine"), "mine")):
        prompt = prompts.published(cue, None, is_quiet=True)
        assert prompts.is_unconfirmed(prompt)
        assert prompts.status_came(status(prompt_id), now=1) is prompt
        assert not prompts.is_pending(prompt)


def test_a_click_on_an_image_makes_only_that_image_uncertain_until_its_second_answer(prompts):
    prompt = prompts.published(PointCue(0, 1, 1), 7, is_quiet=False)
    prompts.status_came(status("point"), now=2)
    assert [prompts.is_certain(answer(1, stamp=s)) for s in (7, 8)] == [False, True]
    again = answer(1, "point", stamp=7, repeat=True)
    assert prompts.is_certain(again)
    prompts.answered(again)
    assert not prompts.is_pending(prompt)
    assert prompts.is_certain(answer(1, stamp=7))


def test_an_answer_may_overtake_the_nodes_status(prompts):
    prompt = prompts.published(PointCue(0, 1, 1), 7, is_quiet=True)
    prompts.answered(answer(1, "point", stamp=7, repeat=True))
    assert prompts.is_unconfirmed(prompt)
    prompts.status_came(status("point"), now=2)
    assert not prompts.is_pending(prompt)


def test_a_click_before_the_first_image_is_certainly_asked_of_it(prompts):
    prompts.published(PointCue(0, 1, 1), None, is_quiet=True)
    prompts.status_came(status("point"), now=2)
    first = answer(3, "point")
    assert prompts.is_certain(first)
    prompts.answered(first)
    assert not prompts.has_any


def test_a_click_on_the_newest_may_concern_any_image_in_work(prompts):
    prompts.published(PointCue(0, 1, 1), None, is_quiet=False)
    prompts.status_came(status("point"), now=2)
    assert not prompts.is_certain(answer(3))


def test_a_prompt_that_lasts_counts_from_the_image_after_its_first_answer(prompts):
    prompts.published(PointCue(0, 1, 1, tracking=True), 7, is_quiet=False)
    prompts.status_came(status("followed"), now=1)
    prompts.answered(answer(1, "followed", stamp=7, repeat=True))  # came at 1.5
    assert [prompts.is_certain(answer(at)) for at in (1.4, 1.6)] == [False, True]


def test_with_two_clicks_at_a_time_it_is_uncertain_which_was_answered(prompts):
    for _ in range(2):
        prompts.published(PointCue(0, 1, 1), 7, is_quiet=True)
    assert not prompts.is_certain(answer(1, "point", stamp=7, repeat=True))


def test_a_click_that_is_refused_late_is_no_longer_pending(prompts):
    prompts.published(PointCue(0, 1, 1), 7, is_quiet=True)
    prompts.status_came(status("point"), now=1)
    prompts.refused_late("point")
    assert not prompts.has_any
