from __future__ import annotations

import pytest
from geometry_msgs.msg import Point, PointStamped
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt, Prompts
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.cameras import Cameras
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.messages import (
    active_message,
    keys_from_set,
    prompt_from_box,
    prompt_from_message,
    prompt_from_point,
    prompt_message,
    prompts_from_text,
    requests_from_set,
)
from sam3_ros.ros.prompts.requests import PromptRefusedError, Source, shortened, with_prompt_name

LEFT = BoxMessage(x_min=1.5, y_min=2.0, x_max=30.0, y_max=40.25)
RIGHT = BoxMessage(x_min=50.0, y_min=2.0, x_max=80.0, y_max=40.0)
LEFT_BOX, RIGHT_BOX = Box(1.5, 2, 30, 40.25), Box(50, 2, 80, 40)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("red cube; mug", ["red cube", "mug"]),
        (" red   cube ;; mug;red cube; ", ["red cube", "mug"]),
        ("", []),
        (" ; ;", []),
    ],
)
def test_text(text, phrases):
    assert prompts_from_text(String(data=text)) == tuple(ConceptPrompt(p) for p in phrases)


def test_more_phrases_than_there_are_label_values_are_refused_together():
    assert len(prompts_from_text(String(data=";".join(map(str, range(254)))))) == 254
    with pytest.raises(PromptRefusedError, match=r"at most 254 prompts at a time.*; got 255"):
        prompts_from_text(String(data=";".join(map(str, range(255)))))


def test_a_long_text_is_refused_with_a_short_name():
    with pytest.raises(PromptRefusedError, match="at most 1000 characters") as caught:
        prompts_from_text(String(data="red; " + "y" * 1001))
    assert caught.value.prompt_id == "y" * 59 + "…"
    assert shortened("mug") == "mug"


def test_click_and_box():
    click = PointStamped()
    click.point.x, click.point.y, click.point.z = 12.25, 7.5, 3.0
    assert prompt_from_point(click) == InteractivePrompt(points=((12.25, 7.5),), id="point")
    roi = RegionOfInterest(x_offset=3, y_offset=4, width=10, height=20)
    assert prompt_from_box(roi) == InteractivePrompt(box=Box(3, 4, 13, 24), id="box")


@pytest.mark.parametrize(
    ("message", "prompt"),
    [
        (Prompt(text="mug"), ConceptPrompt("mug")),
        (
            Prompt(id="1", label="cup", text="mug", boxes=[LEFT], negative_boxes=[RIGHT]),
            ConceptPrompt("mug", (LEFT_BOX, RIGHT_BOX), (1, 0), id="1", label="cup"),
        ),
        (
            Prompt(text="mug", positive_points=[Point(x=1.0)], negative_points=[Point(y=2.0)]),
            ConceptPrompt("mug", points=((1, 0), (0, 2)), point_labels=(1, 0)),
        ),
        (
            Prompt(id="like", boxes=[LEFT, RIGHT]),
            ConceptPrompt(exemplars=(LEFT_BOX, RIGHT_BOX), id="like"),
        ),
        (Prompt(boxes=[LEFT]), InteractivePrompt(box=LEFT_BOX, id="box")),
        (
            Prompt(boxes=[LEFT], positive_points=[Point(x=9.0, y=8.0)], negative_points=[Point()]),
            InteractivePrompt(((9, 8), (0, 0)), (1, 0), LEFT_BOX, id="point+box"),
        ),
    ],
)
def test_our_message_is_taken_without_loss(message, prompt):
    assert prompt_from_message(message) == prompt


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Prompt(id="a"), "a box or at least one point"),
        (Prompt(id="a", text="  "), "must not be blank"),
        (Prompt(id="a", negative_boxes=[LEFT]), "at least one positive exemplar box"),
        (Prompt(id="a", boxes=[LEFT, RIGHT], positive_points=[Point()]), "at most one box"),
        (Prompt(id="a", boxes=[BoxMessage(x_max=float("inf"))]), "finite"),
    ],
)
def test_nonsense_is_refused_by_name(message, reason):
    with pytest.raises(PromptRefusedError, match=reason) as caught:
        prompt_from_message(message)
    assert caught.value.prompt_id == "a"


def test_the_log_names_each_prompt_once():
    assert with_prompt_name("cup", "no longer followed") == "prompt 'cup': no longer followed"
    assert with_prompt_name("cup", "prompt 'cup': outside") == "prompt 'cup': outside"
    assert with_prompt_name("", "expected an action") == "expected an action"


def test_a_refusal_names_a_prompt_as_its_sender_knows_it():
    long_id = "the mug beside the kettle " * 10
    with pytest.raises(PromptRefusedError) as caught:
        prompt_from_message(Prompt(id=long_id))
    assert caught.value.prompt_id == long_id


def test_a_request_has_its_camera_and_how_long_it_lasts():
    clicks = Prompt(positive_points=[Point(x=1.0)], camera="left", tracking=True, frames=7)
    front, everywhere = Cameras.named(["front", "left"]), Prompt(text="mug")
    one, other = requests_from_set(Prompts(prompts=[clicks, everywhere]), front)
    assert (one.prompt.id, one.camera, one.tracking, one.frames) == ("point", "left", True, 7)
    assert (other.prompt.id, other.camera, other.tracking, other.frames) == ("mug", None, False, 0)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Prompt(id="a", text="mug", camera="right"), r"^prompt 'a': there is no camera 'right'"),
        (Prompt(camera="left"), r"^prompt number 2 of 2: .* a box or at least one point"),
    ],
)
def test_a_set_with_nonsense_is_refused_by_name(message, reason):
    prompts = Prompts(prompts=[Prompt(text="cup"), message])
    with pytest.raises(PromptRefusedError, match=reason) as caught:
        requests_from_set(prompts, Cameras.named(["front", "left"]))
    assert (caught.value.prompt_id, caught.value.camera) == (message.id, message.camera)


def test_a_removal_names_ids_and_cameras():
    cameras = Cameras.named(["front", "left"])
    named = Prompts(prompts=[Prompt(id="a"), Prompt(id="b", camera="left")])
    assert keys_from_set(named, cameras) == ((None, "a"), ("left", "b"))
    with pytest.raises(PromptRefusedError, match="number 1: expected the id of the prompt"):
        keys_from_set(Prompts(prompts=[Prompt(text="mug")]), cameras)
    with pytest.raises(PromptRefusedError, match="'b': there is no camera 'right'"):
        keys_from_set(Prompts(prompts=[Prompt(id="b", camera="right")]), cameras)


@pytest.mark.parametrize(
    "message",
    [
        Prompt(id="1", label="cup", text="mug", boxes=[LEFT], negative_boxes=[RIGHT]),
        Prompt(text="mug", positive_points=[Point(x=1.0)], negative_points=[Point(y=2.0)]),
        Prompt(id="like", boxes=[LEFT, RIGHT]),
        Prompt(id="not", boxes=[LEFT], negative_boxes=[RIGHT]),
        Prompt(boxes=[LEFT], positive_points=[Point(x=9.0, y=8.0)], negative_points=[Point()]),
    ],
)
def test_what_is_listed_is_what_was_asked(message):
    prompt = prompt_from_message(message)
    assert prompt_from_message(prompt_message(prompt)) == prompt


def test_a_listed_prompt_has_all_that_was_asked():
    prompt = InteractivePrompt(points=((3.5, 4.0),), id="a", label="mug")
    listed = active_message(ActivePrompt(prompt, Source.POINT, 7, "front", tracking=True, frames=2))
    assert (listed.source, listed.label_value) == ("~/front/prompt/point", 7)
    (point,) = listed.prompt.positive_points
    assert (point.x, point.y, listed.prompt.id, listed.prompt.label) == (3.5, 4.0, "a", "mug")
    of = listed.prompt
    assert (of.camera, of.tracking, of.frames) == ("front", True, 2)
