from __future__ import annotations

import pytest
from geometry_msgs.msg import Point, PointStamped
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt, Prompts
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.core.geometry import Box
from sam3_ros.core.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.ros.prompt_messages import (
    prompt_from_box,
    prompt_from_message,
    prompt_from_point,
    prompts_from_set,
    prompts_from_text,
)
from sam3_ros.ros.prompt_refusals import PromptRefusedError, shortened

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
        (Prompt(id="a"), "a box or at least one positive point"),
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


def test_a_refusal_names_a_prompt_as_its_sender_knows_it():
    long_id = "the mug beside the kettle " * 10
    with pytest.raises(PromptRefusedError) as caught:
        prompt_from_message(Prompt(id=long_id))
    assert caught.value.prompt_id == long_id


def test_ids_of_a_set_must_differ():
    two_clicks = Prompts(prompts=[Prompt(positive_points=[Point()])] * 2)
    with pytest.raises(PromptRefusedError, match="ids that differ, got 'point' 2 times"):
        prompts_from_set(two_clicks)
