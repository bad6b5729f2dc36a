"""ROS messages to prompts. All raise PromptRefusedError, which names the prompt that is bad."""

from __future__ import annotations

from geometry_msgs.msg import Point as PointMessage
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.prompts import (
    ConceptPrompt,
    InteractivePrompt,
    Prompt,
)
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.msg import Prompts
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.prompts.active import Key
from sam3_ros.ros.prompts.label_values import require_values_for
from sam3_ros.ros.prompts.refusals import refusing
from sam3_ros.ros.prompts.requests import PromptRequest

TEXT_SEPARATOR = ";"


def prompts_from_text(message: String) -> tuple[ConceptPrompt, ...]:
    """One prompt a phrase between semicolons; a phrase said twice counts once, a blank one not."""
    parts = dict.fromkeys(" ".join(part.split()) for part in message.data.split(TEXT_SEPARATOR))
    phrases = tuple(filter(None, parts))
    with refusing(""):  # before each of some megabytes of phrases is looked at, for seconds
        require_values_for(len(phrases))
    return tuple(map(_text_prompt, phrases))


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


def requests_from_set(message: Prompts, cameras: Cameras) -> tuple[PromptRequest, ...]:
    """Every prompt of it; ids that came empty are filled in."""
    count = len(message.prompts)
    requests = []
    for number, prompt in enumerate(message.prompts, start=1):
        called = f"prompt number {number} of {count}"
        with refusing(prompt.id or prompt.text, prompt.camera, called):
            requests.append(_request(prompt, cameras))
    return tuple(requests)


def keys_from_set(message: Prompts, cameras: Cameras) -> tuple[Key, ...]:
    """What a REMOVE names: cameras and ids; the camera is None where it came empty."""
    keys = []
    for number, prompt in enumerate(message.prompts, start=1):
        with refusing(prompt.id, prompt.camera, f"prompt number {number}"):
            if not prompt.id:
                raise PromptError("expected the id of the prompt to remove, got an empty one")
            keys.append((_camera(prompt, cameras), prompt.id))
    return tuple(keys)


def _request(message: PromptMessage, cameras: Cameras) -> PromptRequest:
    return PromptRequest(
        _prompt(message),
        camera=_camera(message, cameras),
        sticky=message.sticky,
        frames=message.frames,
    )


def _camera(message: PromptMessage, cameras: Cameras) -> str | None:
    if not message.camera:
        return None
    try:
        return cameras.find(message.camera).name
    except CameraNameError as error:
        raise PromptError(f"{error}; leave the camera empty to ask every camera") from error


def prompt_from_message(message: PromptMessage) -> Prompt:
    """A concept if it has text, negative boxes, or several boxes and no points; else one object."""
    with refusing(message.id or message.text, message.camera):
        return _prompt(message)


def _prompt(message: PromptMessage) -> Prompt:
    has_points = bool(message.positive_points or message.negative_points)
    several_boxes = len(message.boxes) > 1 and not has_points
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
