"""Marks of viewers as prompts, and where the marks of an object lie once it has moved."""

from __future__ import annotations

from geometry_msgs.msg import Point as PointMessage

from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.viewing import Marks
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt


def put_marks(prompt: Prompt, marks: Marks) -> Prompt:
    """Return a copy of the prompt with these marks in place of its own."""
    box = marks.box
    corners = [] if box is None else [_box_message(box)]
    return Prompt(
        id=prompt.id,
        label=prompt.label,
        camera=prompt.camera,
        text=prompt.text,
        positive_points=[PointMessage(x=x, y=y) for x, y in _floats(marks.positive)],
        negative_points=[PointMessage(x=x, y=y) for x, y in _floats(marks.negative)],
        boxes=corners,
        tracking=prompt.tracking,
        frames=prompt.frames,
    )


def marks_of(prompt: Prompt) -> Marks:
    """Return the marks of a prompt that shows one object."""
    boxes = [Box(b.x_min, b.y_min, b.x_max, b.y_max) for b in prompt.boxes[:1]]
    return Marks(
        tuple(Point(each.x, each.y) for each in prompt.positive_points),
        tuple(Point(each.x, each.y) for each in prompt.negative_points),
        boxes[0] if boxes else None,
    )


def joined(earlier: Marks, more: Marks) -> Marks:
    """Return both; of two boxes the later."""
    return Marks(
        (*earlier.positive, *more.positive),
        (*earlier.negative, *more.negative),
        earlier.box if more.box is None else more.box,
    )


def moved(marks: Marks, before: Box, now: Box) -> Marks:
    """Return marks that lie in the object's present box as they lay in its box before."""

    def place(point: tuple[float, float]) -> Point:
        x, y = point
        across, down = (x - before.x_min) / before.width, (y - before.y_min) / before.height
        return Point(now.x_min + across * now.width, now.y_min + down * now.height)

    return Marks(
        tuple(map(place, marks.positive)),
        tuple(map(place, marks.negative)),
        None if marks.box is None else now,
    )


def _floats(points: tuple[Point, ...]) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in points]


def _box_message(box: Box) -> BoxMessage:
    return BoxMessage(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)
