"""What is asked during a replay, and when: texts, clicks and boxes at times of the bag."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sam3_ros.core.errors import PromptError


@dataclass(frozen=True)
class TextCue:
    """at: seconds since the bag's first message. text: phrases between ";", empty clears them."""

    at: float
    text: str

    def __post_init__(self) -> None:
        _check_time(self.at)

    @property
    def phrases(self) -> tuple[str, ...]:
        """As the node names its prompts."""
        phrases = (" ".join(phrase.split()) for phrase in self.text.split(";"))
        return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))


@dataclass(frozen=True)
class PointCue:
    """A click at x, y, image px."""

    at: float
    x: float
    y: float

    def __post_init__(self) -> None:
        _check_time(self.at)
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise PromptError(f"a click needs finite coordinates, got {self.x}, {self.y}")


@dataclass(frozen=True)
class BoxCue:
    """A box, whole image px: its top left corner and its size."""

    at: float
    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        _check_time(self.at)
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise PromptError(
                "a box needs x and y of 0 or more, width and height of 1 or more, got "
                f"{self.x}, {self.y}, {self.width}, {self.height}"
            )


PromptCue: TypeAlias = TextCue | PointCue | BoxCue


def text_cue(argument: str) -> TextCue:
    """Read "TEXT", asked from the start, or "T:TEXT". Raises PromptError."""
    timed = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*:(.*)", argument, re.DOTALL)
    return TextCue(float(timed[1]), timed[2].strip()) if timed else TextCue(0.0, argument)


def point_cue(argument: str) -> PointCue:
    """Read "T:X,Y". Raises PromptError."""
    at, (x, y) = _timed_numbers(argument, "T:X,Y, such as 2.5:320,240", 2)
    return PointCue(at, x, y)


def box_cue(argument: str) -> BoxCue:
    """Read "T:X,Y,WIDTH,HEIGHT". Raises PromptError."""
    at, numbers = _timed_numbers(argument, "T:X,Y,WIDTH,HEIGHT, such as 2.5:100,80,60,60", 4)
    x, y, width, height = (round(number) for number in numbers)
    return BoxCue(at, x, y, width, height)


def in_order(cues: Sequence[PromptCue]) -> tuple[PromptCue, ...]:
    return tuple(sorted(cues, key=lambda cue: cue.at))


def asked_at(cues: Sequence[PromptCue], at: float, click_seconds: float) -> str:
    """What is in use at a time, in words; clicks and boxes count for click_seconds."""
    texts = [cue.text for cue in cues if isinstance(cue, TextCue) and cue.at <= at]
    fresh = [cue for cue in cues if at - click_seconds < cue.at <= at]
    words = [texts[-1]] if texts and texts[-1].strip() else []
    words += ["click"] if any(isinstance(cue, PointCue) for cue in fresh) else []
    words += ["box"] if any(isinstance(cue, BoxCue) for cue in fresh) else []
    return " + ".join(words) or "nothing asked"


def _timed_numbers(argument: str, form: str, count: int) -> tuple[float, list[float]]:
    time, _, rest = argument.partition(":")
    try:
        at, numbers = float(time), [float(part) for part in rest.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise PromptError(f"expected {form}, got {argument!r}")
    return at, numbers


def _check_time(at: float) -> None:
    if not (math.isfinite(at) and at >= 0):
        raise PromptError(f"expected a time of 0 or more seconds into the bag, got {at}")
