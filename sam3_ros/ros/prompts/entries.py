"""The entries of the parameter `prompts`: texts, and prompts in YAML.

prompts: ["red cube", "{point: [320, 240], id: it, sticky: true}", "{text: mug, camera: front}"]
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Box, Point
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.ros.prompts.requests import PromptRefusedError, PromptRequest, shortened

YAML_BEGINS = "{"
# Room for as many points as a prompt may have; YAML of megabytes takes seconds to read.
MOST_CHARACTERS = 20_000
_FARTHEST_PIXEL = 1_000_000.0
_MOST_FRAMES = 1_000_000
_FORM = (
    "{text: a phrase}, {point: [x, y]}, {points: [[x, y], ...], labels: [1, 0, ...]} or "
    "{box: [x, y, width, height]}, with id, label, camera, sticky: true and frames: 1 where they "
    "fit"
)


@dataclass(frozen=True, eq=False)
class PromptEntries:
    """texts: of entries that are plain texts, for every camera. others: of those in YAML."""

    texts: tuple[PromptRequest, ...] = ()
    others: tuple[PromptRequest, ...] = ()


def read_prompt_entries(entries: Sequence[str]) -> PromptEntries:
    """In their order; a blank entry counts for nothing, a text said twice once.

    Raises PromptError naming the entry that is wrong. Whether there are such cameras is not looked
    at.
    """
    plain = [entry for entry in entries if not is_yaml(entry)]
    texts = tuple(map(_of_text, filter(None, dict.fromkeys(map(_tidied, plain)))))
    others = tuple(_of_yaml(entry) for entry in entries if is_yaml(entry))
    _require_ids_that_differ([*texts, *others])
    return PromptEntries(texts, others)


def is_yaml(entry: str) -> bool:
    """It is no plain text."""
    return entry.lstrip().startswith(YAML_BEGINS)


def _tidied(text: str) -> str:
    return " ".join(text.split())


def _of_text(text: str) -> PromptRequest:
    return PromptRequest(ConceptPrompt(text))


def _of_yaml(entry: str) -> PromptRequest:
    try:
        return _request(_loaded(entry))
    except PromptError as error:
        raise PromptError(f"entry {shortened(entry.strip())!r}: {error}") from error


def _loaded(entry: str) -> dict[Any, Any]:
    if len(entry) > MOST_CHARACTERS:
        raise PromptError(f"expected at most {MOST_CHARACTERS} characters, got {len(entry)}")
    try:
        # All that is no list or mapping stays a string: `text: yes` is a word, `id: 007` an id.
        loaded = yaml.load(entry, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        words = " ".join(str(error).split())
        raise PromptError(
            f"expected YAML such as {_FORM}; got what YAML cannot read: {words}"
        ) from (error)
    if not isinstance(loaded, dict):
        raise PromptError(f"expected {_FORM}; got {_shown(loaded)}")
    return loaded


def _request(entry: dict[Any, Any]) -> PromptRequest:
    kinds = [name for name in _KINDS if name in entry]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none"
        raise PromptError(f"expected one of {', '.join(_KINDS)}, as in {_FORM}; got {got}")
    kind = _KINDS[kinds[0]]
    unknown = [name for name in entry if name not in (*kinds, *kind.options, *_OPTIONS)]
    if unknown:
        allowed = ", ".join((*kind.options, *_OPTIONS))
        raise PromptError(f"beside {kinds[0]} expected some of {allowed}; got {_shown(unknown[0])}")
    options = {name: read(name, entry[name]) for name, read in _OPTIONS.items() if name in entry}
    return PromptRequest(
        kind.read(entry, options.get("id", ""), options.get("label", "")),
        camera=options.get("camera") or None,
        sticky=options.get("sticky", False),
        frames=options.get("frames", 0),
    )


def _text(entry: dict[Any, Any], prompt_id: str, label: str) -> Prompt:
    return ConceptPrompt(_word("text", entry["text"]), id=prompt_id, label=label)


def _point(entry: dict[Any, Any], prompt_id: str, label: str) -> Prompt:
    point = Point(*_numbers("point", entry["point"], 2, "[x, y]"))
    return InteractivePrompt((point,), id=prompt_id, label=label)


def _points(entry: dict[Any, Any], prompt_id: str, label: str) -> Prompt:
    points = [
        Point(*_numbers("points", point, 2, "[[x, y], ...]"))
        for point in _list("points", entry["points"], "[[x, y], ...]")
    ]
    labels = _list("labels", entry.get("labels", []), "[1, 0, ...]")
    if any(each not in ("0", "1") for each in labels):
        raise PromptError(f"labels: expected 1 or 0 for each point; got {_shown(labels)}")
    return InteractivePrompt(tuple(points), tuple(map(int, labels)), id=prompt_id, label=label)


def _box(entry: dict[Any, Any], prompt_id: str, label: str) -> Prompt:
    x, y, width, height = _numbers("box", entry["box"], 4, "[x, y, width, height]")
    return InteractivePrompt(box=Box(x, y, x + width, y + height), id=prompt_id, label=label)


def _list(name: str, value: object, form: str) -> list[Any]:
    if not isinstance(value, list):
        raise PromptError(f"{name}: expected {form}; got {_shown(value)}")
    return value


def _numbers(name: str, value: object, count: int, form: str) -> list[float]:
    values = [_pixel(each) for each in _list(name, value, form)]
    numbers = [each for each in values if each is not None]
    if not len(numbers) == len(values) == count:
        raise PromptError(f"{name}: expected {form} in pixels; got {_shown(value)}")
    return numbers


def _pixel(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return number if abs(number) <= _FARTHEST_PIXEL else None


def _word(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise PromptError(f"{name}: expected words; got {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, by an escape in quotes
        raise PromptError(f"{name}: expected valid Unicode; got {_shown(value)}") from error
    return value


def _yes_or_no(name: str, value: object) -> bool:
    if value not in ("true", "false"):
        raise PromptError(f"{name}: expected true or false; got {_shown(value)}")
    return value == "true"


def _frames(name: str, value: object) -> int:
    if isinstance(value, str) and value.isdecimal() and len(value) <= len(str(_MOST_FRAMES)):
        frames = int(value)
        if frames <= _MOST_FRAMES:
            return frames
    raise PromptError(
        f"{name}: expected a whole number, 0 (without end) to {_MOST_FRAMES}; got {_shown(value)}"
    )


def _shown(value: object) -> str:
    return shortened(reprlib.repr(value))  # aliases can make it endless


def _require_ids_that_differ(requests: Sequence[PromptRequest]) -> None:
    seen = set()
    for request in requests:
        key = request.camera, request.prompt.id
        if key in seen:
            raise PromptRefusedError.repeated_id(*key)
        seen.add(key)


@dataclass(frozen=True)
class _Kind:
    """options: what it may have beside those that every kind may have."""

    read: Callable[[dict[Any, Any], str, str], Prompt]
    options: tuple[str, ...] = ()


_KINDS = {
    "text": _Kind(_text),
    "point": _Kind(_point),
    "points": _Kind(_points, ("labels",)),
    "box": _Kind(_box),
}
_OPTIONS: dict[str, Callable[[str, object], Any]] = {
    "id": _word,
    "label": _word,
    "camera": _word,
    "sticky": _yes_or_no,
    "frames": _frames,
}
