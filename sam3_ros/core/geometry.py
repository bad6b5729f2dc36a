"""Points and boxes in source-image pixels.

x runs right and y down; (0, 0) is the top left corner of the top left pixel, so pixel centres
lie at .5 and an image of width W spans x in [0, W].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sam3_ros.core.errors import PromptError


class Point(NamedTuple):
    """A position in the image, px. Prompts take any (x, y) pair and keep it as a Point."""

    x: float
    y: float


class ImageSize(NamedTuple):
    """Height before width, as in an array's shape."""

    height: int
    width: int


@dataclass(frozen=True)
class Box:
    """An axis-aligned rectangle, px. Raises PromptError unless finite numbers with max > min."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float

    def __post_init__(self) -> None:
        for name in ("x_min", "y_min", "x_max", "y_max"):
            value = _number(name, getattr(self, name))
            if not math.isfinite(value):
                raise PromptError(f"a box needs finite coordinates, got {name}={value}")
            object.__setattr__(self, name, value)
        if self.x_max <= self.x_min or self.y_max <= self.y_min:
            raise PromptError(
                "a box needs x_max > x_min and y_max > y_min, got "
                f"x {self.x_min:g}..{self.x_max:g}, y {self.y_min:g}..{self.y_max:g}"
            )

    @property
    def width(self) -> float:
        return self.x_max - self.x_min

    @property
    def height(self) -> float:
        return self.y_max - self.y_min

    def clipped_to(self, size: ImageSize) -> Box | None:
        """Return the part inside an image of this size, or None if there is none."""
        x_min, x_max = max(self.x_min, 0.0), min(self.x_max, float(size.width))
        y_min, y_max = max(self.y_min, 0.0), min(self.y_max, float(size.height))
        if x_max <= x_min or y_max <= y_min:
            return None
        return Box(x_min, y_min, x_max, y_max)

    def moved(self, x: float, y: float) -> Box:
        """Return a box of the same size, moved by x to the right and y down, px."""
        return Box(self.x_min + x, self.y_min + y, self.x_max + x, self.y_max + y)

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return (x_min, y_min, x_max, y_max)."""
        return (self.x_min, self.y_min, self.x_max, self.y_max)


def _number(name: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise PromptError(f"a box needs numbers, got {name}={value!r}") from error


def box_of_corners(values: Sequence[float]) -> Box:
    """Return the box that a person wrote as two corners: [x0, y0, x1, y1], px, maximum exclusive.

    Raises PromptError for anything else. Where it looks like x, y, width, height, the message
    gives the same box as two corners.
    """
    got = _list_of(values)
    if len(values) != 4:
        raise PromptError(f"expected a box as two corners [x0, y0, x1, y1], got {got}")
    x0, y0, x1, y1 = values
    if x1 <= x0 or y1 <= y0:
        advice = ""
        if x1 > 0 and y1 > 0:
            advice = (
                f"; {got} as x, y, width, height is written {_list_of((x0, y0, x0 + x1, y0 + y1))}"
            )
        raise PromptError(
            "expected a box as two corners [x0, y0, x1, y1] with x1 > x0 and y1 > y0, got "
            f"{got}{advice}"
        )
    return Box(x0, y0, x1, y1)


def _list_of(values: Sequence[float]) -> str:
    """Return the numbers as a person writes them: [100, 80.5]."""
    return f"[{', '.join(f'{value:.10g}' for value in values)}]"
