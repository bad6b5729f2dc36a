"""ROS messages to prompts, and prompts to messages.

What reads a message raises PromptRefusedError, which names the bad prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from geometry_msgs.msg import Point as PointMessage
from geometry_msgs.msg import PointStamped
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.phrases import split_phrases
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.msg import ActivePrompt as ActivePromptMessage
from sam3_ros.msg import Box as BoxMessage
from sam3_ros.msg import Prompt as PromptMessage
from sam3_ros.msg import Prompts
from sam3_ros.ros.cameras import CameraNameError, Cameras
from sam3_ros.ros.prompts.active import ActivePrompt, Key
from sam3_ros.ros.prompts.label_values import require_label_values
from sam3_ros.ros.prompts.requests import PromptRequest, refusing, require_few_positions

_Item = TypeVar("_Item")


def prompts_from_text(message: String) -> tuple[ConceptPrompt, ...]:
    """Return one prompt for each phrase between semicolons, without blanks and repetitions."""
    phrases = split_phrases(message.data)
    with refusing(""):  # first: to check each of some megabytes of phrases would take seconds
        require_label_values(len(phrases))
    prompts = []
    for phrase in phrases:
        with refusing(phrase):
            prompts.append(ConceptPrompt(phrase))
    return tuple(prompts)


def prompt_from_point(message: PointStamped) -> InteractivePrompt:
    """Return a prompt for the object at a click; x and y are image pixels, z is not read."""
    with refusing("point"):
        return InteractivePrompt(points=(_point(message.point),), id="point")


def prompt_from_box(message: RegionOfInterest) -> InteractivePrompt:
    """Return a prompt for the object in a rectangle of image pixels."""
    left, top = message.x_offset, message.y_offset
    with refusing("box"):
        return InteractivePrompt(
            box=Box(left, top, left + message.width, top + message.height), id="box"
        )


def requests_from_set(message: Prompts, cameras: Cameras) -> tuple[PromptRequest, ...]:
    """Return a request for every prompt of the message; empty ids are filled in."""
    count = len(message.prompts)
    requests = []
    for number, prompt in enumerate(message.prompts, start=1):
        called = f"prompt number {number} of {count}"
        with refusing(prompt.id or prompt.text, prompt.camera, called):
            request = PromptRequest(
                _prompt(prompt),
                camera=_camera(prompt, cameras),
                tracking=prompt.tracking,
                frames=prompt.frames,
            )
            requests.append(request)
    return tuple(requests)


def keys_from_set(message: Prompts, cameras: Cameras) -> tuple[Key, ...]:
    """Return the cameras and ids that a REMOVE names; an empty camera becomes None."""
    keys = []
    for number, prompt in enumerate(message.prompts, start=1):
        with refusing(prompt.id, prompt.camera, f"prompt number {number}"):
            if not prompt.id:
                raise PromptError("expected the id of the prompt to remove, got an empty one")
            keys.append((_camera(prompt, cameras), prompt.id))
    return tuple(keys)


def prompt_from_message(message: PromptMessage) -> Prompt:
    """Return the message's prompt.

    It is a concept if it has text, negative boxes, or several boxes and no points; otherwise it
    marks a single object.
    """
    with refusing(message.id or message.text, message.camera):
        return _prompt(message)


def active_message(active: ActivePrompt) -> ActivePromptMessage:
    """Return the entry of ~/active_prompts for a prompt in use."""
    prompt = prompt_message(active.prompt)
    prompt.camera, prompt.tracking = active.camera or "", active.tracking
    prompt.frames = active.frames
    source = active.source.topic(active.camera)
    return ActivePromptMessage(prompt=prompt, label_value=active.label_value, source=source)


def prompt_message(prompt: Prompt) -> PromptMessage:
    """Return the message from which prompt_from_message makes an equal prompt."""
    message = PromptMessage(id=prompt.id, label=prompt.label)
    points = [PointMessage(x=x, y=y) for x, y in prompt.points]
    message.positive_points = _with_label(1, points, prompt.point_labels)
    message.negative_points = _with_label(0, points, prompt.point_labels)
    if isinstance(prompt, InteractivePrompt):
        message.boxes = [_box_message(prompt.box)] if prompt.box is not None else []
        return message
    message.text = prompt.text or ""
    boxes = [_box_message(box) for box in prompt.exemplars]
    message.boxes = _with_label(1, boxes, prompt.exemplar_labels)
    message.negative_boxes = _with_label(0, boxes, prompt.exemplar_labels)
    return message


def _camera(message: PromptMessage, cameras: Cameras) -> str | None:
    if not message.camera:
        return None
    try:
        return cameras.find(message.camera).name
    except CameraNameError as error:
        raise PromptError(f"{error}; leave the camera empty to ask every camera") from error


def _prompt(message: PromptMessage) -> Prompt:
    positions = (
        message.positive_points,
        message.negative_points,
        message.boxes,
        message.negative_boxes,
    )
    # Before they are read, which would take as long as a frame.
    require_few_positions(message.id or message.text, sum(map(len, positions)))
    has_points = bool(message.positive_points or message.negative_points)
    several_boxes = len(message.boxes) > 1 and not has_points
    if message.text or message.negative_boxes or several_boxes:
        return _concept(message)
    return _one_object(message)


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
            "expected at most one box beside points, because they mark a single object; got "
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


def _box_message(box: Box) -> BoxMessage:
    return BoxMessage(x_min=box.x_min, y_min=box.y_min, x_max=box.x_max, y_max=box.y_max)


def _with_label(wanted: int, items: Sequence[_Item], labels: Sequence[int]) -> list[_Item]:
    return [item for item, label in zip(items, labels, strict=True) if label == wanted]
