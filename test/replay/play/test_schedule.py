from __future__ import annotations

import pytest
from bags import IMAGES, OBJECTS, write_bag

from sam3_ros.replay.ask.cues import PointCue, TextCue
from sam3_ros.replay.bag.bag import BagMessage, open_bag
from sam3_ros.replay.play.schedule import Loops, schedule

PERIOD = 1 / 15


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    with open_bag(write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=3)) as opened:
        yield opened


def test_texts_go_out_before_the_image_of_their_time_and_clicks_on_it_after(bag):
    cues = (TextCue(0, "red"), TextCue(9, "late"), PointCue(0, 1, 1))
    items = [scheduled.item for scheduled in schedule(bag, [IMAGES], cues, Loops(1, PERIOD))]
    kinds = [item.topic if isinstance(item, BagMessage) else type(item).__name__ for item in items]
    assert kinds == ["TextCue", IMAGES, "PointCue", IMAGES, IMAGES, "TextCue"]


def test_loops_follow_each_other_at_the_bags_pace_with_later_stamps(bag):
    played = list(schedule(bag, [IMAGES, OBJECTS], (), Loops(2, PERIOD)))
    images = [scheduled for scheduled in played if scheduled.item.topic == IMAGES]
    assert len(played) == 8
    assert [s.bag_ns - s.shift_ns for s in images[3:]] == [s.bag_ns for s in images[:3]]
    assert [s.at for s in images] == pytest.approx([n * PERIOD for n in range(6)], abs=1e-6)
    assert [s.shift_ns for s in images] == [0] * 3 + [pytest.approx(3 * PERIOD * 1e9, abs=2)] * 3


def test_stamps_and_clock_jump_back_if_they_are_to_repeat(bag):
    played = list(schedule(bag, [IMAGES], (), Loops(2, PERIOD, repeat_stamps=True)))
    assert [s.at for s in played] == pytest.approx([n * PERIOD for n in range(6)], abs=1e-6)
    assert [s.shift_ns for s in played] == [0] * 6
    assert [s.loop for s in played] == [0, 0, 0, 1, 1, 1]
    assert [s.bag_ns for s in played[3:]] == [s.bag_ns for s in played[:3]]
    assert played[0].bag_ns == bag.start_ns
