"""Prompts with their times as one writes them on the command line."""

from __future__ import annotations

import math
import re

from sam3_ros.core.errors import PromptError
from sam3_ros.replay.ask.cues import BoxCue, PointCue, TextCue


def text_cue(argument: str) -> TextCue:
    """Read "TEXT", asked from the start, or "T:TEXT". Raises PromptError."""
    timed = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*:(.*)", argument, re.DOTALL)
    return TextCue(float(timed[1]), timed[2].strip()) if timed else TextCue(0.0, argument)


def point_cue(argument: str, *, sticky: bool = False) -> PointCue:
    """Read "T:X,Y" or, of a camera, "T:NAME:X,Y". Raises PromptError."""
    at, camera, (x, y) = _placed(argument, "T:X,Y, such as 2.5:320,240", 2)
    return PointCue(at, x, y, camera, sticky=sticky)


def box_cue(argument: str) -> BoxCue:
    """Read "T:X,Y,WIDTH,HEIGHT" or, of a camera, "T:NAME:X,Y,WIDTH,HEIGHT". Raises PromptError."""
    form = "T:X,Y,WIDTH,HEIGHT, such as 2.5:100,80,60,60"
    at, camera, numbers = _placed(argument, form, 4)
    x, y, width, height = (round(number) for number in numbers)
    return BoxCue(at, x, y, width, height, camera)


def _placed(argument: str, form: str, count: int) -> tuple[float, str, list[float]]:
    time, _, rest = argument.partition(":")
    camera, _, place = rest.rpartition(":")
    try:
        at, numbers = float(time), [float(part) for part in place.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise PromptError(f"expected {form}, got {argument!r}")
    return at, camera, numbers
