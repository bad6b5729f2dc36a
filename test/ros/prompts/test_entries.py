"""What the entries of the parameter `prompts` ask, and which are refused."""

from __future__ import annotations

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.prompts.entries import MOST_CHARACTERS, read_prompt_entries


@pytest.mark.parametrize(
    ("entry", "prompt"),
    [
        ("{text: red cube}", ConceptPrompt("red cube")),
        ("{text: yes, id: 007, label: on}", ConceptPrompt("yes", id="007", label="on")),
        (" {text: 'a; b', id: 7, label: cup}", ConceptPrompt("a; b", id="7", label="cup")),
        ("{point: [320, 240.5]}", InteractivePrompt(points=((320.0, 240.5),))),
        (
            "{points: [[1, 2], [3, 4]], labels: [1, 0], id: it}",
            InteractivePrompt(points=((1, 2), (3, 4)), point_labels=(1, 0), id="it"),
        ),
        ("{points: [[1, 2], [3, 4]]}", InteractivePrompt(points=((1, 2), (3, 4)))),
        ("{box: [10, 20, 40, 60]}", InteractivePrompt(box=Box(10, 20, 40, 60))),
    ],
)
def test_a_prompt_in_yaml(entry, prompt):
    (request,) = read_prompt_entries([entry]).others
    assert request.prompt == prompt
    assert (request.camera, request.tracking, request.frames) == (None, False, 0)


def test_how_long_and_where_it_is_asked():
    entry = "{point: [1, 2], camera: front, tracking: true, frames: 3}"
    (request,) = read_prompt_entries([entry]).others
    assert (request.camera, request.tracking, request.frames) == ("front", True, 3)


def test_plain_texts_are_tracked_as_the_parameter_says():
    entries = read_prompt_entries(["red; blue", "{text: mug}"], tracking=True)
    assert [request.tracking for request in entries.texts] == [True, True]
    assert [request.tracking for request in entries.others] == [False]


def test_texts_stand_beside_them():
    entries = read_prompt_entries(["red  cube", "{text: mug, camera: front}", "", "red cube"])
    assert [request.prompt.text for request in entries.texts] == ["red cube"]
    assert [request.prompt.text for request in entries.others] == ["mug"]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{point: [320, 240}", r"is not plain YAML: .* expected ',' or ']'"),
        ("{" * 5000, "is not plain YAML"),
        ("{[1]: 2}", "is not plain YAML: expected keys that are single values"),
        ("{} {}", "is not plain YAML"),
        ("{text: yes, label: !!bool x}", "is not plain YAML: line 1 uses the YAML tag"),
        ("{}", r"expected {text: a phrase}, .* or {box: \[x0, y0, x1, y1\]}, .*, got {}"),
        ("{text: mug, point: [1, 2]}", r", got {'text': 'mug', 'point': \['1', '2'\]}"),
        ("{text: mug, lable: cup}", "expected the keys .*id, label, .*; got the key 'lable'"),
        ("{point: [1, 2], labels: [1]}", r"expected .*points.*labels.*, got .*'labels': \['1'\]"),
        ("{text: [mug]}", r"text: expected a text, got \['mug'\]"),
        ('{text: mug, id: "\\ud800"}', "is not plain YAML: .*[Uu]nicode"),
        ("{text: ''}", "must not be blank"),
        ("{text: mug, sticky: true}", "'sticky' is now 'tracking': write tracking: true"),
        ("{point: 320}", r"point: expected \[x, y\] in pixels, got '320'"),
        ("{point: [320]}", r"point: expected \[x, y\] in pixels, got \['320'\]"),
        ("{point: [true, 2]}", "point/entry 1: expected a number of pixels, got 'true'"),
        ("{point: [nan, 2]}", "got 'nan'"),
        ("{point: [[1, 2], 2]}", r"point/entry 1: expected a number of pixels, got \['1', '2'\]"),
        ("{point: [.nan, 2]}", "got '.nan'"),
        ("{point: [1" + "0" * 90 + ", 2]}", "expected pixels from -1000000 to 1000000"),
        ("{point: [1" + "0" * 400 + ", 2]}", "expected at most 100 characters, got 401"),
        ("{box: [0, 0, 1000001, 4]}", r"expected pixels .*, got \[0.0, 0.0, 1000001.0, 4.0\]"),
        (
            "{points: [[1, 2]], labels: [true]}",
            "labels/entry 1: expected 1 or 0 for each point, got 'true'",
        ),
        ("{points: [[1, 2]], labels: [1, 1]}", "every point needs one label"),
        ("{points: []}", "a box or at least one point, got neither"),
        (
            "{box: [1, 2, 3]}",
            r"box: expected two corners \[x0, y0, x1, y1\] in pixels, got \['1', '2', '3'\]",
        ),
        (
            "{box: [100, 80, 60, 60]}",
            r"two corners .* got \[100, 80, 60, 60\]; .* is written \[100, 80, 160, 140\]",
        ),
        ("{point: [1, 2], tracking: maybe}", r"tracking: expected true or false, got 'maybe'"),
        ("{point: [1, 2], frames: -1}", r"frames: expected a whole number, 0 .*, got '-1'"),
        ("{point: [1, 2], frames: 1000001}", "frames: expected a whole number"),
        ("{text: " + "x" * MOST_CHARACTERS + "}", "expected at most 20000 characters"),
    ],
)
def test_a_bad_entry_is_refused_with_what_was_expected_and_what_came(entry, reason):
    with pytest.raises(PromptError, match=reason) as caught:
        read_prompt_entries(["red cube", entry])
    assert str(caught.value).startswith("entry ")
    assert entry[:15] in str(caught.value)
    assert len(str(caught.value)) < 800


def test_yaml_that_refers_to_itself_again_and_again_is_refused_at_once():
    lists = [f"k{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(60)]
    lists[-1] = lists[-1].replace("k59", "text")
    with pytest.raises(PromptError, match="uses YAML aliases"):
        read_prompt_entries(["{" + ", ".join(lists) + "}"])
    with pytest.raises(PromptError, match="uses YAML aliases"):
        read_prompt_entries(["{text: [" + ", ".join(lists) + "]}"])


@pytest.mark.parametrize(
    "entries",
    [
        ["mug", "{text: mug}"],
        ["{point: [1, 2]}", "{point: [3, 4]}"],
        ["{text: mug, id: a, camera: front}", "{text: cup, id: a, camera: front}"],
    ],
)
def test_ids_differ(entries):
    with pytest.raises(PromptError, match="expected different ids"):
        read_prompt_entries(entries)
    elsewhere = ["{text: mug, id: a, camera: front}", "{text: cup, id: a}"]
    assert len(read_prompt_entries(elsewhere).others) == 2


@pytest.mark.parametrize("character", ["\x07", "\x00"])
def test_a_character_that_yaml_does_not_allow_is_refused(character):
    with pytest.raises(PromptError, match="is not plain YAML"):
        read_prompt_entries([f'{{text: "a{character}"}}'])


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([f"cube {number}" for number in range(300)], "at most 254 prompts at a time.* got 300"),
        (["; ".join(f"cube {number}" for number in range(300))], "at most 254 .* got 300"),
        ([f"{{text: cube {number}}}" for number in range(300)], "at most 254 .* got 300"),
        ([f"cube {number}" for number in range(100_000)], "at most 65536 characters in all"),
        (["a;" * 10**6], "at most 65536 characters in all entries together, got 2000000"),
        (["{text: " + "a" * 15_000 + "}"] * 5, "at most 65536 characters in all"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_too_many_are_refused_before_each_is_read(entries, reason):
    with pytest.raises(PromptError, match=reason):
        read_prompt_entries(entries)
