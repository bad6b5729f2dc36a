from __future__ import annotations

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, RemoveCue, TextCue, asked_at
from sam3_ros.replay.ask.parsing import box_cue, point_cue, read_prompt_file, text_cue


@pytest.mark.parametrize(
    ("argument", "cue"),
    [
        ("red cube", TextCue(0.0, "red cube")),
        ("2.5: red cube; ball", TextCue(2.5, "red cube; ball")),
        ("4:", TextCue(4.0, "")),
        ("ratio 1:2", TextCue(0.0, "ratio 1:2")),
    ],
)
def test_a_text_may_have_a_time(argument, cue):
    assert text_cue(argument) == cue


def test_clicks_and_boxes_have_times():
    assert point_cue("2.5:320,240.5") == PointCue(2.5, 320.0, 240.5)
    assert box_cue("0:10,20,30.4,40") == BoxCue(0.0, 10, 20, 30, 40)


@pytest.mark.parametrize("argument", ["1:100,80,60,60", "1:side:100,80,60,60"])
def test_a_box_as_corner_and_size_is_refused_with_the_same_box_as_two_corners(argument):
    with pytest.raises(PromptError, match=r"two corners.* is written \[100, 80, 160, 140\]"):
        box_cue(argument)


def test_clicks_and_boxes_may_name_their_camera():
    assert point_cue("2.5:side:320,240") == PointCue(2.5, 320.0, 240.0, "side")
    assert box_cue("0:side:1,2,3,4") == BoxCue(0.0, 1, 2, 3, 4, "side")
    assert point_cue("1:3,4", tracking=True).tracking
    assert box_cue("0:side:1,2,3,4", tracking=True).tracking


def test_a_text_that_is_tracked_is_asked_beside_others_by_its_phrases():
    cue = text_cue("2:red cube; ball", tracking=True)
    assert cue == TextCue(2.0, "red cube; ball", tracking=True)
    assert cue.added == {"red cube": "red cube", "ball": "ball"}
    assert TextCue(0, "ball", id="mine", tracking=True).added == {"mine": "ball"}
    assert TextCue(0, "ball").added == {}
    with pytest.raises(PromptError, match="a phrase or more"):
        text_cue("", tracking=True)


@pytest.mark.parametrize(
    ("read", "argument"),
    [
        (point_cue, "320,240"),
        (point_cue, "1:320"),
        (point_cue, "1:a,b"),
        (point_cue, "1:nan,2"),
        (point_cue, "-1:1,2"),
        (box_cue, "1:1,2,3"),
        (box_cue, "1:1,2,0,4"),
        (box_cue, "1:-5,2,3,4"),
        (box_cue, "x:1,2,3,4"),
        (box_cue, "nan:1,2,3,4"),
    ],
)
def test_what_is_not_understood_is_refused_with_what_was_expected(read, argument):
    with pytest.raises(PromptError, match=r"expected|needs"):
        read(argument)


def test_phrases_are_named_as_the_node_names_them():
    assert TextCue(0, " red   cube ;; ball;red cube").phrases == ("red cube", "ball")
    assert TextCue(0, " ; ").phrases == ()


def test_what_is_asked_at_a_time_in_words():
    cues = (TextCue(0, "red"), PointCue(2, 1, 1), TextCue(3, ""), BoxCue(4, 1, 1, 3, 3))
    said = [asked_at(cues, at, click_seconds=0.1) for at in (1, 2.05, 2.5, 3.5, 4.05)]
    assert said == ["red", "red + click", "red", "nothing asked", "box"]


def test_prompts_that_last_are_named_until_they_are_removed():
    cues = (
        TextCue(0, "red", camera="front"),
        TextCue(0, "blue cup", id="cup"),
        PointCue(1, 1, 1, camera="front", tracking=True),
        RemoveCue(2, "cup"),
    )
    said = [asked_at(cues, at, 0.1, "front") for at in (0.5, 1.5, 2.5)]
    assert said == [
        "red + cup blue cup",
        "red + cup blue cup + followed",
        "red + followed",
    ]
    assert asked_at(cues, 2.5, 0.1, "side") == "nothing asked"
    tracked = (TextCue(0, "red cup; ball", tracking=True), TextCue(0, "red"))
    assert asked_at(tracked, 1, 0.1) == "red + red cup tracked + ball tracked"


def test_a_file_of_prompts(tmp_path):
    path = tmp_path / "prompts.yaml"
    path.write_text(
        "- {at: 0, text: red cube}\n- {at: 3.5, text: }\n"
        "- {at: 5, point: [320, 240.5]}\n- {at: 6, box: [100, 80, 160, 130]}\n"
        "- {at: 7, point: [1, 2], camera: side, tracking: true, on: newest, id: mine}\n"
        "- {at: 8, text: cup, id: 7}\n- {at: 9, remove: mine, camera: side}\n"
        "- {at: 9, text: cup, tracking: true}\n"
    )
    assert read_prompt_file(path) == (
        TextCue(0.0, "red cube"),
        TextCue(3.5, ""),
        PointCue(5.0, 320.0, 240.5),
        BoxCue(6.0, 100, 80, 160, 130),
        PointCue(7.0, 1.0, 2.0, "side", On.NEWEST, tracking=True, id="mine"),
        TextCue(8.0, "cup", id="7"),
        RemoveCue(9.0, "mine", "side"),
        TextCue(9.0, "cup", tracking=True),
    )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("text: red", "expected a list"),
        ("- {at: 1, text: a}\n- {text: b}", "entry 2"),
        ("- {at: 1}", "entry 1"),
        ("- {at: 1, text: a, point: [1, 2]}", "entry 1"),
        ("- {at: 1, point: [1]}", "entry 1"),
        ("- {at: 1, box: [1, 2, 3, 0]}", "line 1, entry 1: .*two corners"),
        ("- {at: 1, box: [100, 80, 60, 60]}", r"is written \[100, 80, 160, 140\]"),
        ("- {at: 1, box: [1, 2, 3]}", "entry 1/box: expected box: .*two corners"),
        ("- {at: soon, text: a}", "entry 1"),
        ("- {at: 1, sound: a}", "entry 1"),
        ("- {at: 1, text: a, tracking: perhaps}", "entry 1"),
        ("- {at: 1, text: a, sticky: true}", "entry 1"),
        ("- {at: 1, remove: a, tracking: true}", "entry 1"),
        ("- {at: 1, text: , tracking: true}", "line 1, entry 1: .*a phrase or more"),
        ("- {at: 1, point: [1, 2], tracking: perhaps}", "entry 1"),
        ("- {at: 1, point: [1, 2], on: tuesday}", "entry 1"),
        ("- {at: 1, point: [1, 2], camera: 1st}", "entry 1.*camera's name"),
        ("- {at: 1, text: a; b, id: c}", "entry 1.*one phrase"),
        ("- {at: 1, remove: }", "entry 1"),
        ("- red", "entry 1"),
        ("- [", "not plain YAML"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, content, named):
    path = tmp_path / "prompts.yaml"
    path.write_text(content)
    with pytest.raises(PromptError, match=named):
        read_prompt_file(path)


def test_no_file_of_prompts(tmp_path):
    with pytest.raises(PromptError, match=r"prompts .*absent.yaml cannot be read"):
        read_prompt_file(tmp_path / "absent.yaml")
