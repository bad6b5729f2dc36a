"""Prompts with their times as one writes them on the command line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.errors import PromptError
from sam3_ros.replay.ask.cues import BoxCue, On, PointCue, PromptCue, RemoveCue, TextCue
from sam3_ros.ros.cameras import CameraNameError


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


_FORM = (
    "prompts such as {at: 2.5, text: red cube}, point: [x, y], box: [x, y, w, h] or remove: id, "
    "with camera, id, sticky: true or on: image|newest where they fit"
)


def read_prompt_file(path: Path) -> tuple[PromptCue, ...]:
    """The cues in the file's order. Raises PromptError naming the entry that is wrong."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PromptError(f"cannot read the prompts of {path}: {error}") from error
    if not isinstance(entries, list):
        raise PromptError(f"expected a list of {_FORM} in {path}, got {type(entries).__name__}")
    return tuple(_numbered(path, number, entry) for number, entry in enumerate(entries, start=1))


def prompt_of(entry: Any) -> PromptCue:
    """Of one entry as YAML gives it. Raises PromptError."""
    if isinstance(entry, dict) and True in entry:
        # What YAML 1.1 makes of the key `on`.
        entry = {"on" if key is True else key: value for key, value in entry.items()}
    try:
        (kind,) = set(entry) & set(_READERS)
        read, allowed = _READERS[kind]
        more = {name: entry[name] for name in set(entry) - {"at", kind}}
        if not set(more) <= allowed:
            raise ValueError("what does not fit")
        options = {name: _OPTIONS[name](value) for name, value in more.items()}
        return read(float(entry["at"]), entry[kind], **options)
    except PromptError:
        raise
    except CameraNameError as error:
        raise PromptError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise PromptError(f"expected {_FORM}, got {entry!r}") from error


def _numbered(path: Path, number: int, entry: Any) -> PromptCue:
    try:
        return prompt_of(entry)
    except PromptError as error:
        raise PromptError(f"{path}, entry {number}: {error}") from error


def _text(at: float, value: Any, **options: Any) -> TextCue:
    return TextCue(at, "" if value is None else str(value), **options)


def _point(at: float, value: Any, **options: Any) -> PointCue:
    x, y = map(float, value)
    return PointCue(at, x, y, **options)


def _box(at: float, value: Any, **options: Any) -> BoxCue:
    x, y, width, height = (round(float(number)) for number in value)
    return BoxCue(at, x, y, width, height, **options)


def _remove(at: float, value: Any, **options: Any) -> RemoveCue:
    return RemoveCue(at, "" if value is None else str(value), **options)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got {value!r}")
    return value


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "camera": str,
    "id": str,
    "sticky": _yes_or_no,
    "on": On,
}


_PLACED = frozenset(_OPTIONS)


_READERS: dict[str, tuple[Callable[..., PromptCue], frozenset[str]]] = {
    "text": (_text, frozenset({"camera", "id"})),
    "point": (_point, _PLACED),
    "box": (_box, _PLACED),
    "remove": (_remove, frozenset({"camera"})),
}
