"""What a browser says was clicked, also a hostile one."""

from __future__ import annotations

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.page.marking import mark_of_event
from sam3_ros.look.viewing import Marks, PictureStamp

CLICK = {"camera": "front", "sec": 7, "nanosec": 5, "kind": "positive", "at": [12.5, 3]}


def test_a_click_carries_the_stamp_of_its_picture() -> None:
    mark = mark_of_event(CLICK)

    assert (mark.camera, mark.stamp) == ("front", PictureStamp(7, 5))
    assert mark.marks == Marks(positive=(Point(12.5, 3.0),))
    assert not mark.negative


def test_a_negative_click_and_a_box() -> None:
    assert mark_of_event({**CLICK, "kind": "negative"}).negative
    box = mark_of_event({**CLICK, "kind": "box", "at": [1, 2, 30, 40]})
    assert box.marks.box == Box(1, 2, 30, 40)
    assert not box.negative


@pytest.mark.parametrize(
    "change",
    [
        {"camera": 3},
        {"kind": "delete"},
        {"kind": ["box"]},
        {"at": "1,2"},
        {"at": [1]},
        {"at": [1, 2, 3]},
        {"at": [1, "2"]},
        {"at": [True, 2]},
        {"at": [float("nan"), 2]},
        {"at": [float("inf"), 2]},
        {"at": [-1, 2]},
        {"at": [1e30, 2]},
        {"sec": 1.5},
        {"sec": -1},
        {"sec": 2**70},
        {"nanosec": 10**9},
        {"nanosec": None},
        {"kind": "box", "at": [5, 5, 5, 9]},
        {"kind": "box", "at": [9, 5, 2, 9]},
    ],
)
def test_what_a_page_cannot_have_sent_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PromptError):
        mark_of_event({**CLICK, **change})


@pytest.mark.parametrize("event", [None, "click", [CLICK], 7, {}])
def test_what_is_no_click_at_all_is_refused(event: object) -> None:
    with pytest.raises(PromptError, match="load it again"):
        mark_of_event(event)
