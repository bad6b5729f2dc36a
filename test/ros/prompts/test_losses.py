"""What is known of messages with prompts that never arrived, by numbers and by DDS's event."""

from __future__ import annotations

import pytest

from sam3_ros.ros.message_info import Origin
from sam3_ros.ros.prompts.losses import TOLD_S, LostPrompts, PromptLosses


@pytest.fixture
def losses() -> PromptLosses:
    return PromptLosses()


def came(losses: PromptLosses, *numbers: int, publisher: bytes = b"a", now: float = 0.0) -> int:
    return sum(losses.note_message(Origin(publisher, number), now) for number in numbers)


def test_what_each_publisher_left_out_is_counted(losses: PromptLosses) -> None:
    assert came(losses, 7, 8, 9) == 0  # what it sent before is not known
    assert came(losses, 3, publisher=b"b") == 0
    assert came(losses, 12) == 2
    assert came(losses, 5, publisher=b"b") == 1
    assert losses.count == 3


def test_an_older_rclpy_that_tells_no_numbers_leaves_the_event(losses: PromptLosses) -> None:
    assert losses.note_message(Origin(b"", 0), 0.0) == 0
    assert losses.note_event(4, 0.0) == 4
    assert losses.note_event(6, 0.0) == 2
    assert losses.count == 6


def test_what_both_tell_is_counted_once(losses: PromptLosses) -> None:
    came(losses, 1)
    assert losses.note_event(5, 0.0) == 5
    assert came(losses, 7) == 0
    assert came(losses, 10) == 2  # two were dropped here, which is no event
    assert losses.count == 7


def test_a_loss_is_told_for_a_while(losses: PromptLosses) -> None:
    assert not losses.is_recent(0.0)
    came(losses, 1, 3, now=100.0)
    assert losses.is_recent(100.0 + TOLD_S)
    assert not losses.is_recent(101.0 + TOLD_S)


def test_the_words_name_the_topics_and_the_remedy() -> None:
    words = LostPrompts(3, ("~/prompts", "~/prompt/text")).words()
    assert words.startswith("messages on ~/prompts, ~/prompt/text did not arrive: publish with")
