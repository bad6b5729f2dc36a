"""What is asked, frozen and renamed, without pictures."""

from __future__ import annotations

import pytest

from sam3_ros.core.errors import PromptError
from sam3_ros.core.pictures.palette import prompt_colour
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.look.library.asked_prompts import AskedPrompts
from sam3_ros.ros.prompts.requests import PromptRequest


@pytest.fixture
def asked():
    return AskedPrompts(("front", "side"))


def ids(rows):
    return [each.id for each in rows]


def text(words, camera=None, **how):
    return PromptRequest(ConceptPrompt(words, **how), camera)


def test_a_cameras_own_prompt_is_meant_before_that_of_all(asked):
    of_all = asked.put(text("cube"))
    assert asked.find("cube", "front") is of_all
    own = asked.put(text("cube", "front"))
    assert asked.find("cube", "front") is own
    assert asked.find("cube", "side") is of_all
    assert asked.find("cube", "") is of_all
    asked.remove(own)
    assert asked.asked("front") == (of_all,)
    with pytest.raises(PromptError, match="no camera 'back'"):
        asked.find("cube", "back")


def test_what_is_frozen_keeps_its_place_its_name_and_its_colour(asked):
    cube, ball = asked.put(text("cube")), asked.put(text("ball"))
    asked.rename(cube, "mine")
    asked.freeze(cube, True)
    asked.put(text("cone"))  # does not get the colour of what is frozen
    rows = asked.listed("side", {})
    assert ids(rows) == ["cube", "ball", "cone"]
    assert (rows[0].label, rows[0].frozen, rows[0].colour) == ("mine", True, prompt_colour(1))
    assert rows[2].colour == prompt_colour(3)
    assert cube not in asked.asked("side")
    assert ball in asked.asked("side")
    asked.freeze(cube, False)
    assert cube in asked.asked("side")


def test_what_is_asked_otherwise_keeps_its_name_and_what_is_gone_is_forgotten(asked):
    cube = asked.put(text("cube"))
    asked.rename(cube, "mine")
    again = asked.put(PromptRequest(ConceptPrompt("cube"), tracking=True))
    assert asked.label(again) == "mine"
    asked.remove(again)
    assert asked.label(asked.put(text("cube"))) == "cube"


def test_kinds_and_free_names(asked):
    box = InteractivePrompt(points=((1, 2),), id="point")
    asked.put(PromptRequest(box, "front"))
    assert asked.free_id("point") == "point 2"
    assert asked.free_id("box") == "box"
    (row,) = asked.listed("front", {})
    assert (row.kind, row.camera, row.text) == ("click", "front", "")
    assert asked.listed("side", {}) == ()
