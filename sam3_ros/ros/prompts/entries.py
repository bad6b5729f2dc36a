"""The entries of the parameter `prompts`: texts, and prompts in YAML.

prompts: ["red cube", "{point: [320, 240], id: it, tracking: true}", "{text: mug, camera: front}"]

entry_schema.json says what an entry in YAML may hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sam3_ros.core.checked_yaml import DocumentKind, parse_document
from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import Point, box_of_corners
from sam3_ros.core.segmenter.phrases import split_phrases
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.ros.prompts.label_values import require_label_values
from sam3_ros.ros.prompts.requests import PromptRefusedError, PromptRequest, shortened

YAML_BEGINS = "{"
# Room for as many points as a prompt may have; YAML of megabytes takes seconds to read.
MOST_CHARACTERS = 20_000
# Of all entries: as a message on ~/prompts may have. Thousands of texts take seconds to check.
MOST_TOGETHER = 64 * 1024
_FARTHEST_PIXEL = 1_000_000
# What `tracking` was called when it was for clicks and boxes alone.
_OLD_WORD = "sticky"
_NAMES = ("text", "id", "label", "camera")
_ENTRY = DocumentKind(
    "an entry of the parameter prompts",
    Path(__file__).with_name("entry_schema.json"),
    PromptError,
    only_strings=True,  # `text: yes` is a word, `id: 007` an id
)


@dataclass(frozen=True, eq=False)
class PromptEntries:
    """The requests of the parameter `prompts`."""

    #: Of the plain texts, for every camera.
    texts: tuple[PromptRequest, ...] = ()
    #: Of the entries in YAML.
    others: tuple[PromptRequest, ...] = ()


def read_prompt_entries(entries: Sequence[str], tracking: bool = False) -> PromptEntries:
    """Read the entries in their order, without blank ones and repeated texts.

    A plain text may be several phrases, with semicolons between them. tracking: whether what plain
    texts find is tracked; an entry in YAML says it itself. Raises PromptError naming the
    entry that is wrong, or if they are too many. Does not check that the cameras exist.
    """
    together = sum(map(len, entries))
    if together > MOST_TOGETHER:
        raise PromptError(
            f"expected at most {MOST_TOGETHER} characters in all entries together, got {together}"
        )
    plain = chain.from_iterable(split_phrases(entry) for entry in entries if not is_yaml(entry))
    phrases = dict.fromkeys(plain)
    require_label_values(len(phrases) + sum(map(is_yaml, entries)))
    texts = tuple(PromptRequest(ConceptPrompt(text), tracking=tracking) for text in phrases)
    others = tuple(_read_yaml(entry) for entry in entries if is_yaml(entry))
    seen = set()
    for request in (*texts, *others):
        key = request.camera, request.prompt.id
        if key in seen:
            raise PromptRefusedError.repeated_id(*key)
        seen.add(key)
    return PromptEntries(texts, others)


def is_yaml(entry: str) -> bool:
    """Return whether the entry is a prompt in YAML, not a plain text."""
    return entry.lstrip().startswith(YAML_BEGINS)


def _read_yaml(entry: str) -> PromptRequest:
    source = f"entry {shortened(entry.strip())!r}"
    if len(entry) > MOST_CHARACTERS:
        raise PromptError(
            f"{source}: expected at most {MOST_CHARACTERS} characters, got {len(entry)}"
        )
    try:
        values = parse_document(entry, _ENTRY, source).value
    except PromptError as error:
        if f"got the key {_OLD_WORD!r}" in str(error):
            raise PromptError(
                f"{source}: {_OLD_WORD!r} is now 'tracking': write tracking: true"
            ) from error
        raise
    try:
        return PromptRequest(
            _prompt(values),
            camera=values.get("camera") or None,
            tracking=values.get("tracking") == "true",
            frames=int(values.get("frames", 0)),
        )
    except PromptError as error:
        raise PromptError(f"{source}: {error}") from error


def _prompt(values: dict[str, Any]) -> Prompt:
    # A lone half of a surrogate pair, from an escape in quotes, cannot be published.
    if not_unicode := [name for name in _NAMES if not _is_unicode(values.get(name, ""))]:
        name = not_unicode[0]
        raise PromptError(f"{name}: expected valid Unicode, got {values[name]!r}")
    prompt_id, label = values.get("id", ""), values.get("label", "")
    if "text" in values:
        return ConceptPrompt(values["text"], id=prompt_id, label=label)
    if "box" in values:
        box = box_of_corners(_pixels(values["box"]))
        return InteractivePrompt(box=box, id=prompt_id, label=label)
    points = values["points"] if "points" in values else [values["point"]]
    return InteractivePrompt(
        tuple(Point(*_pixels(point)) for point in points),
        tuple(map(int, values.get("labels", ()))),
        id=prompt_id,
        label=label,
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _pixels(values: Sequence[str]) -> list[float]:
    numbers = [float(value) for value in values]
    if any(abs(number) > _FARTHEST_PIXEL for number in numbers):
        raise PromptError(
            f"expected pixels from -{_FARTHEST_PIXEL} to {_FARTHEST_PIXEL}, "
            f"got {shortened(str(numbers))}"
        )
    return numbers
