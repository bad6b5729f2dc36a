"""Cues as people write them: options of the command line, and a YAML file of prompts.

- {at: 0, text: red cube}
- {at: 3.5, text: "balls; blue thing", camera: side}
- {at: 5, point: [320, 240]}
- {at: 6, box: [100, 80, 160, 140], on: image}       # two corners: x0, y0, x1, y1
- {at: 7, point: [320, 240], tracking: true, id: mine}
- {at: 7, text: white ball, tracking: true}
- {at: 9, remove: mine}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import Document, DocumentKind, read_document
from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import box_of_corners
from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, PromptCue, RemoveCue, TextCue
from sam3_ros.ros.cameras import CameraNameError

_PROMPTS = DocumentKind(
    "the file of prompts", Path(__file__).with_name("prompts.json"), PromptError
)


def text_cue(argument: str, *, tracking: bool = False) -> TextCue:
    """Read "TEXT", asked from the start, or "T:TEXT". Raises PromptError."""
    timed = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*:(.*)", argument, re.DOTALL)
    at, text = (float(timed[1]), timed[2].strip()) if timed else (0.0, argument)
    return TextCue(at, text, tracking=tracking)


def point_cue(argument: str, *, tracking: bool = False) -> PointCue:
    """Read "T:X,Y" or, for one of several cameras, "T:NAME:X,Y". Raises PromptError."""
    at, camera, (x, y) = _placed(argument, "T:X,Y, such as 2.5:320,240", 2)
    return PointCue(at, x, y, camera, tracking=tracking)


def box_cue(argument: str, *, tracking: bool = False) -> BoxCue:
    """Read "T:X0,Y0,X1,Y1" or, for one of several cameras, "T:NAME:X0,Y0,X1,Y1".

    Raises PromptError; for what looks like x, y, width, height it gives the two corners.
    """
    form = "T:X0,Y0,X1,Y1, such as 2.5:100,80,160,140"
    at, camera, numbers = _placed(argument, form, 4)
    try:
        return _box(at, numbers, camera=camera, tracking=tracking)
    except PromptError as error:
        raise PromptError(f"{argument!r}: {error}") from error


def read_prompt_file(path: Path) -> tuple[PromptCue, ...]:
    """Read the cues of a YAML file, in its order. Raises PromptError with line and entry."""
    return cues_of(read_document(path, _PROMPTS))


def cues_of(document: Document, place: Sequence[str | int] = ()) -> tuple[PromptCue, ...]:
    """Return the cues of the list at a place of a document, which fits the schema of prompts.

    Raises the error of the document's kind.
    """
    entries = document.value
    for step in place:
        entries = entries[step]

    def cue_at(number: int) -> PromptCue:
        try:
            return _cue(entries[number])
        except (PromptError, CameraNameError) as error:
            raise document.error((*place, number), str(error)) from error

    return tuple(map(cue_at, range(len(entries))))


def _placed(argument: str, form: str, count: int) -> tuple[float, str, list[float]]:
    """Split "T:[NAME:]NUMBER,..." into time, camera and numbers."""
    time, _, rest = argument.partition(":")
    camera, _, place = rest.rpartition(":")
    try:
        at, numbers = float(time), [float(part) for part in place.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise PromptError(f"expected {form}, got {argument!r}")
    return at, camera, numbers


def _cue(entry: Mapping[str, Any]) -> PromptCue:
    at = float(entry["at"])
    options: dict[str, Any] = {"camera": entry.get("camera", "")}
    if "remove" in entry:
        return RemoveCue(at, str(entry["remove"]), **options)
    options |= {"id": str(entry.get("id", "")), "tracking": entry.get("tracking", False)}
    if "text" in entry:
        text = entry["text"]
        return TextCue(at, "" if text is None else str(text), **options)
    if "on" in entry:
        options["on"] = On(entry["on"])
    if "point" in entry:
        x, y = map(float, entry["point"])
        return PointCue(at, x, y, **options)
    return _box(at, entry["box"], **options)


def _box(at: float, corners: Sequence[float], **options: Any) -> BoxCue:
    """Return the cue with its corners rounded to whole pixels."""
    x_min, y_min, x_max, y_max = map(round, box_of_corners(corners).as_tuple())
    return BoxCue(at, x_min, y_min, x_max, y_max, **options)
