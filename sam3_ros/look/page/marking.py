"""From what a browser says was clicked to marks; anything in it may be wrong or hostile."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.look.viewing import Marks, PictureStamp

# Larger than any image; a source says where the image of the stamp ends.
_MOST_PX = 100_000.0
_COORDINATES = {"positive": 2, "negative": 2, "box": 4}
_NOT_OURS = "the page sent a click that it cannot have made; load it again"


@dataclass(frozen=True)
class PictureMark:
    """One click, long press or drag on the picture of this camera and stamp."""

    camera: str
    stamp: PictureStamp
    marks: Marks

    @property
    def negative(self) -> bool:
        """Whether it says only what is not part of an object."""
        return not self.marks.positive and self.marks.box is None


def mark_of_event(event: object) -> PictureMark:
    """Check and return what a browser sent. Raises PromptError with the reason in words."""
    if not isinstance(event, dict):
        raise PromptError(_NOT_OURS)
    camera, kind, at = event.get("camera"), event.get("kind"), event.get("at")
    if not isinstance(camera, str) or not isinstance(kind, str) or kind not in _COORDINATES:
        raise PromptError(_NOT_OURS)
    if not isinstance(at, list) or len(at) != _COORDINATES[kind]:
        raise PromptError(_NOT_OURS)
    stamp = PictureStamp(
        _whole(event.get("sec"), most=2**33), _whole(event.get("nanosec"), most=10**9 - 1)
    )
    return PictureMark(camera, stamp, _marks(kind, tuple(_pixel(value) for value in at)))


def _marks(kind: str, at: tuple[float, ...]) -> Marks:
    if kind == "positive":
        return Marks(positive=(Point(*at),))
    if kind == "negative":
        return Marks(negative=(Point(*at),))
    x_min, y_min, x_max, y_max = at
    if x_max <= x_min or y_max <= y_min:
        raise PromptError("the box has no width or no height; draw it from corner to corner")
    return Marks(box=Box(x_min, y_min, x_max, y_max))


def _pixel(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PromptError(_NOT_OURS)
    if not (math.isfinite(value) and 0 <= value <= _MOST_PX):
        raise PromptError(_NOT_OURS)
    return float(value)


def _whole(value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise PromptError(_NOT_OURS)
    return value
