"""Prompts as the messages that are published."""

from __future__ import annotations

from sam3_ros.msg import Box
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sam3_ros.replay.ask.parsing import box_cue
from sam3_ros.replay.client.prompt_publishers import _prompt, _simple_message


def test_two_corners_are_published_as_corner_and_size_or_as_corners():
    cue = box_cue("2.5:100,80,160,140")
    kind, message = _simple_message(cue, Header())
    assert kind == "box"
    assert message == RegionOfInterest(x_offset=100, y_offset=80, width=60, height=60)
    assert _prompt(cue).boxes == [Box(x_min=100.0, y_min=80.0, x_max=160.0, y_max=140.0)]
