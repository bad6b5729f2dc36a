"""Prompts as the messages that are published."""

from __future__ import annotations

from sam3_ros.msg import Box
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sam3_ros.replay.ask.cues import TextCue
from sam3_ros.replay.ask.parsing import box_cue, point_cue
from sam3_ros.replay.client.prompt_publishers import _prompts, _simple_message


def test_two_corners_are_published_as_corner_and_size_or_as_corners():
    cue = box_cue("2.5:100,80,160,140")
    kind, message = _simple_message(cue, Header())
    assert kind == "box"
    assert message == RegionOfInterest(x_offset=100, y_offset=80, width=60, height=60)
    (prompt,) = _prompts(cue)
    assert prompt.boxes == [Box(x_min=100.0, y_min=80.0, x_max=160.0, y_max=140.0)]


def test_what_is_tracked_is_asked_until_it_is_removed():
    texts = _prompts(TextCue(1.0, "red cube; ball", "side", tracking=True))
    assert [(p.id, p.text, p.camera) for p in texts] == [
        ("red cube", "red cube", "side"),
        ("ball", "ball", "side"),
    ]
    prompts = [*texts, *_prompts(point_cue("1:3,4", tracking=True))]
    assert {(p.tracking, p.frames) for p in prompts} == {(True, 0)}


def test_a_text_with_an_id_is_not_tracked_unless_it_is_asked_for():
    (prompt,) = _prompts(TextCue(1.0, "red cube", id="mine"))
    assert (prompt.id, prompt.tracking) == ("mine", False)
