"""Marks as prompts, marks that move with their object, and whose image topics are whose."""

from __future__ import annotations

import pytest
from sam3_ros.msg import Prompt

from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.node.camera_images import ImageTopic
from sam3_ros.look.node.marks import joined, marks_of, moved, put_marks
from sam3_ros.look.node.prompt_list import kind_of, next_id
from sam3_ros.look.node.sighting import topics_of_camera
from sam3_ros.look.viewing import Marks

MARKS = Marks((Point(20.0, 30.0),), (Point(12.0, 22.0),), Box(10, 20, 30, 40))


def test_marks_go_into_a_prompt_and_come_back() -> None:
    prompt = put_marks(Prompt(id="it", label="mug", camera="front", tracking=True), MARKS)
    assert (prompt.id, prompt.label, prompt.camera, prompt.tracking) == ("it", "mug", "front", True)
    assert marks_of(prompt) == MARKS
    assert kind_of(prompt) == "click"
    assert kind_of(put_marks(Prompt(), Marks(box=MARKS.box))) == "box"
    assert kind_of(Prompt(text="mug")) == "text"
    assert kind_of(put_marks(Prompt(text="mug"), MARKS)) == "other"


def test_marks_move_and_grow_with_their_object() -> None:
    there = moved(MARKS, Box(10, 20, 30, 40), Box(110, 20, 150, 60))
    assert there == Marks((Point(130.0, 40.0),), (Point(114.0, 24.0),), Box(110, 20, 150, 60))


def test_of_two_boxes_the_later_counts() -> None:
    both = joined(MARKS, Marks((Point(1.0, 2.0),), box=Box(0, 0, 5, 5)))
    assert both.positive == (Point(20.0, 30.0), Point(1.0, 2.0))
    assert both.negative == MARKS.negative and both.box == Box(0, 0, 5, 5)
    assert joined(MARKS, Marks()).box == MARKS.box


def test_ids_are_counted() -> None:
    assert next_id("point", frozenset()) == "point"
    assert next_id("point", frozenset({"point", "point 2", "box"})) == "point 3"


FRONT = ImageTopic("/front/image", "sensor_msgs/msg/Image")
SIDE = ImageTopic("/side/image/compressed", "sensor_msgs/msg/CompressedImage")
ODD = ImageTopic("/usb_cam/image_raw", "sensor_msgs/msg/Image")


@pytest.mark.parametrize(
    ("camera", "cameras", "topics", "expected"),
    [
        ("", [""], [ODD], (ODD,)),
        ("front", ["front", "side"], [FRONT, SIDE], (FRONT,)),
        ("side", ["front", "side"], [FRONT, SIDE], (SIDE,)),
        ("side", ["front", "side"], [FRONT, ODD], (ODD,)),
        ("side", ["front", "side"], [FRONT], ()),
    ],
)
def test_a_cameras_images_are_those_of_its_name_or_those_of_nobody(
    camera: str, cameras: list[str], topics: list[ImageTopic], expected: tuple[ImageTopic, ...]
) -> None:
    assert topics_of_camera(camera, cameras, topics, "/") == expected
