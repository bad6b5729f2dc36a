from __future__ import annotations

import pytest
from bags import IMAGES, OBJECTS, write_bag

from sam3_ros.ros.replay.bag import BagMessage, open_bag
from sam3_ros.ros.replay.prompt_cues import PointCue, TextCue
from sam3_ros.ros.replay.schedule import schedule

PERIOD = 1 / 15


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    with open_bag(write_bag(tmp_path_factory.mktemp("bags") / "bag", frames=3)) as opened:
        yield opened


def test_prompts_go_out_before_the_image_of_their_time(bag):
    cues = (PointCue(PERIOD, 1, 1), TextCue(0, "red"), TextCue(9, "late"))
    items = [scheduled.item for scheduled in schedule(bag, [IMAGES], cues, 1, PERIOD)]
    kinds = [item.topic if isinstance(item, BagMessage) else type(item).__name__ for item in items]
    assert kinds[:2] == ["TextCue", IMAGES]
    assert kinds.index("PointCue") in (2, 3)  # the bag's times are rounded to nanoseconds
    assert kinds[-1] == "TextCue"


def test_loops_follow_each_other_at_the_bags_pace_with_later_stamps(bag):
    played = list(schedule(bag, [IMAGES, OBJECTS], (), 2, PERIOD))
    images = [scheduled for scheduled in played if scheduled.item.topic == IMAGES]
    assert len(played) == 8
    assert [s.at for s in images] == pytest.approx([n * PERIOD for n in range(6)], abs=1e-6)
    assert [s.shift_ns for s in images] == [0] * 3 + [pytest.approx(3 * PERIOD * 1e9, abs=2)] * 3
