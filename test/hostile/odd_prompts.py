"""Messages on the prompt topics: any kind with any mistake."""

from __future__ import annotations

import random
from typing import Any

from geometry_msgs.msg import Point, PointStamped
from sam3_ros.msg import Box, Prompt, Prompts
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import String

from hostile.odd_values import odd_header, odd_number, odd_text

KINDS = {
    "prompts": Prompts,
    "prompt/text": String,
    "prompt/point": PointStamped,
    "prompt/click": Point,
    "prompt/box": RegionOfInterest,
}
_OF_A_CAMERA = ("prompt/text", "prompt/point", "prompt/click", "prompt/box")
_WHOLE = (0, 1, 2, 100, 479, 640, 2**31, 2**32 - 1)


def odd_prompt_message(
    chance: random.Random, near_ns: int, cameras: tuple[str, ...]
) -> tuple[str, Any]:
    """Return the end of a topic's name, such as front/prompt/text, and a message for it."""
    topic = chance.choice(("prompts", "prompts", "prompts", *_OF_A_CAMERA))
    message = _message(topic, chance, near_ns, cameras)
    if topic in _OF_A_CAMERA and chance.random() < 0.5:
        topic = f"{chance.choice(cameras)}/{topic}"
    return topic, message


def _message(topic: str, chance: random.Random, near_ns: int, cameras: tuple[str, ...]) -> Any:
    if topic == "prompt/text":
        return String(data=odd_text(chance))
    if topic == "prompt/point":
        header = odd_header(chance, near_ns)
        if chance.random() < 0.3:
            header.frame_id = chance.choice(cameras)
        return PointStamped(header=header, point=_point(chance))
    if topic == "prompt/click":
        return _point(chance)
    if topic == "prompt/box":
        x, y, width, height = (chance.choice(_WHOLE) for _ in range(4))
        return RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
    header = odd_header(chance, near_ns)
    action = chance.choice((0, 1, 1, 1, 2, 3, 255))
    count = chance.choice((0, 1, 1, 1, 2, 3, 20, 255, 300))
    prompts = [odd_prompt(chance, cameras) for _ in range(min(count, 20))]
    if count > 20:
        prompts = [Prompt(id=f"{number}", text="red cube") for number in range(count)]
    elif len(prompts) > 1 and chance.random() < 0.2:
        prompts[1].id = prompts[0].id
    return Prompts(header=header, action=action, prompts=prompts)


def odd_prompt(chance: random.Random, cameras: tuple[str, ...]) -> Prompt:
    """Return one prompt of a set, or of a call of ~/segment."""
    prompt = Prompt()
    if chance.random() < 0.6:
        prompt.id = odd_text(chance)
    if chance.random() < 0.3:
        prompt.label = odd_text(chance)
    if chance.random() < 0.4:
        prompt.camera = chance.choice((*cameras, odd_text(chance)))
    if chance.random() < 0.4:
        prompt.text = odd_text(chance)
    if chance.random() < 0.5:
        prompt.positive_points = [_point(chance) for _ in range(_number(chance))]
    if chance.random() < 0.2:
        prompt.negative_points = [_point(chance) for _ in range(_number(chance))]
    if chance.random() < 0.3:
        prompt.boxes = [_box(chance) for _ in range(_number(chance))]
    if chance.random() < 0.1:
        prompt.negative_boxes = [_box(chance) for _ in range(_number(chance))]
    prompt.tracking = chance.random() < 0.2
    prompt.frames = chance.choice((0, 0, 1, 2**32 - 1))
    return prompt


def _number(chance: random.Random) -> int:
    return chance.choice((0, 1, 1, 1, 2, 5, 256, 257, 3000))


def _point(chance: random.Random) -> Point:
    return Point(x=odd_number(chance), y=odd_number(chance), z=odd_number(chance))


def _box(chance: random.Random) -> Box:
    left, top, right, bottom = (odd_number(chance) for _ in range(4))
    if chance.random() < 0.5:
        right, bottom = left + 50, top + 50
    return Box(x_min=left, y_min=top, x_max=right, y_max=bottom)
