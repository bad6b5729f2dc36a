"""ROS messages to prompts. All raise PromptRefusedError, which names the prompt that is bad."""

from __future__ import annotations

from collections import Counter

from geometry_msgs.msg import Point as PointMessage
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.prompts import (
    ConceptPrompt,
    InteractivePrompt,
    Prompt,
)
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.msg import Prompts
from sam3_ros.ros.prompt_refusals import PromptRefusedError, refusing, shortened

TEXT_SEPARATOR = ";"


def prompts_from_text(message: String) -> tuple[ConceptPrompt, ...]:
    """One prompt a phrase between semicolons; a phrase said twice counts once, a blank one not."""
    phrases = dict.fromkeys(" ".join(part.split()) for part in message.data.split(TEXT_SEPARATOR))
    return tuple(_text_prompt(phrase) for phrase in phrases if phrase)


def prompt_from_point(message: PointStamped) -> InteractivePrompt:
    """The object at a click; x and y are image pixels, z is not read."""
    with refusing("point"):
        return InteractivePrompt(points=(_point(message.point),), id="point")


def prompt_from_box(message: RegionOfInterest) -> InteractivePrompt:
    """The object in a rectangle of image pixels."""
    left, top = message.x_offset, message.y_offset
    with refusing("box"):
        return InteractivePrompt(
            box=Box(left, top, left + message.width, top + message.height), id="box"
        )


def prompts_from_set(message: Prompts) -> tuple[Prompt, ...]:
    """The whole set; ids that came empty are filled in, and must differ."""
    prompts = tuple(prompt_from_message(prompt) for prompt in message.prompts)
    for prompt_id, count in Counter(prompt.id for prompt in prompts).items():
        if count > 1:
            raise PromptRefusedError(
                prompt_id,
                f"expected ids that differ, got {shortened(prompt_id)!r} {count} times",
            )
    return prompts


def prompt_from_message(message: PromptMessage) -> Prompt:
    """A concept if it has text, negative boxes, or several boxes and no points; else one object."""
    has_points = bool(message.positive_points or message.negative_points)
    several_boxes = len(message.boxes) > 1 and not has_points
    with refusing(message.id or message.text):
        if message.text or message.negative_boxes or several_boxes:
            return _concept(message)
        return _one_object(message)


def _text_prompt(phrase: str) -> ConceptPrompt:
    with refusing(phrase):
        return ConceptPrompt(phrase)


def _concept(message: PromptMessage) -> ConceptPrompt:
    points, point_labels = _points(message)
    boxes = (*message.boxes, *message.negative_boxes)
    return ConceptPrompt(
        text=message.text or None,
        exemplars=tuple(_box(box) for box in boxes),
        exemplar_labels=(1,) * len(message.boxes) + (0,) * len(message.negative_boxes),
        points=points,
        point_labels=point_labels,
        id=message.id,
        label=message.label,
    )


def _one_object(message: PromptMessage) -> InteractivePrompt:
    if len(message.boxes) > 1:
        raise PromptError(
            f"expected at most one box beside points, for they mark one object; got "
            f"{len(message.boxes)}: send one prompt for each object, or add a text"
        )
    points, point_labels = _points(message)
    return InteractivePrompt(
        points=points,
        point_labels=point_labels,
        box=_box(message.boxes[0]) if message.boxes else None,
        id=message.id,
        label=message.label,
    )


def _points(message: PromptMessage) -> tuple[tuple[Point, ...], tuple[int, ...]]:
    positive, negative = message.positive_points, message.negative_points
    points = tuple(_point(point) for point in (*positive, *negative))
    return points, (1,) * len(positive) + (0,) * len(negative)


def _point(message: PointMessage) -> Point:
    return Point(message.x, message.y)


def _box(message: BoxMessage) -> Box:
    return Box(message.x_min, message.y_min, message.x_max, message.y_max)
