"""A YAML file of prompts with their times, for `sam3-ros replay --prompts`.

- {at: 0, text: red cube}
- {at: 3.5, text: "balls; blue thing"}
- {at: 5, point: [320, 240]}
- {at: 6, box: [100, 80, 60, 60]}       # x, y, width, height
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.errors import PromptError
from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, PromptCue, TextCue

_FORM = "a list of entries such as {at: 2.5, text: red cube}, point: [x, y] or box: [x, y, w, h]"


def read_prompt_file(path: Path) -> tuple[PromptCue, ...]:
    """The cues in the file's order. Raises PromptError naming the entry that is wrong."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PromptError(f"cannot read the prompts of {path}: {error}") from error
    if not isinstance(entries, list):
        raise PromptError(f"expected {_FORM} in {path}, got {type(entries).__name__}")
    return tuple(_cue(path, number, entry) for number, entry in enumerate(entries, start=1))


def _cue(path: Path, number: int, entry: Any) -> PromptCue:
    try:
        kind = next(iter(set(entry) - {"at"}))
        if set(entry) != {"at", kind}:
            raise ValueError("two prompts in one entry")
        return _READERS[kind](float(entry["at"]), entry[kind])
    except PromptError as error:
        raise PromptError(f"{path}, entry {number}: {error}") from error
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise PromptError(f"{path}, entry {number}: expected {_FORM}, got {entry!r}") from error


def _text(at: float, value: Any) -> TextCue:
    return TextCue(at, "" if value is None else str(value))


def _point(at: float, value: Any) -> PointCue:
    x, y = map(float, value)
    return PointCue(at, x, y)


def _box(at: float, value: Any) -> BoxCue:
    x, y, width, height = (round(float(number)) for number in value)
    return BoxCue(at, x, y, width, height)


_READERS: dict[str, Callable[[float, Any], PromptCue]] = {
    "text": _text,
    "point": _point,
    "box": _box,
}
