"""Which reliability a camera's publishers get."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sam3_ros.ros.frames.image_subscription import ReliabilityChoice

RELIABLE, BEST_EFFORT, BOTH, NOBODY = [True], [False], [True, False], []


@pytest.mark.parametrize(
    ("looks", "chosen"),
    [
        ([(0, NOBODY), (9, NOBODY)], [True, True]),
        ([(0, NOBODY), (9, RELIABLE)], [True, True]),
        ([(0, RELIABLE), (9, NOBODY)], [True, True]),
        ([(0, BEST_EFFORT), (9, NOBODY)], [False, False]),
        ([(0, NOBODY), (1, BEST_EFFORT)], [True, False]),
        ([(0, RELIABLE), (1, BOTH), (9, BOTH)], [True, False, False]),
        # A best effort publisher that restarts beside a reliable one changes nothing.
        ([(0, BOTH), (1, RELIABLE), (2, RELIABLE), (3, BOTH)], [False, False, False, False]),
        ([(0, BOTH), (1, RELIABLE), (3, RELIABLE)], [False, False, True]),
        ([(0, BEST_EFFORT), (1, RELIABLE), (2, NOBODY), (4, RELIABLE), (5, RELIABLE)], [False] * 5),
    ],
)
def test_reliable_unless_a_publisher_is_best_effort(
    looks: Sequence[tuple[float, list[bool]]], chosen: list[bool]
) -> None:
    choice = ReliabilityChoice()
    assert [choice.choose(offers, now) for now, offers in looks] == chosen
