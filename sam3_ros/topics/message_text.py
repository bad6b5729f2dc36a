"""Messages as YAML-like text with long arrays and strings cut short."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sam3_ros.core.visible_text import visible

LONGEST_ARRAY, LONGEST_STRING = 12, 200


def message_text(message: Any, longest: int = LONGEST_ARRAY) -> str:
    """Return any message of a rosidl package as text.

    longest: elements of an array that are shown.
    """
    return "\n".join(_fields(message, longest, ""))


def _fields(message: Any, longest: int, indent: str) -> Iterator[str]:
    names = message.get_fields_and_field_types()
    if not names:
        yield f"{indent}{{}}"
    for name in names:
        yield from _entry(f"{indent}{name}:", getattr(message, name), longest, indent)


def _entry(head: str, value: Any, longest: int, indent: str) -> Iterator[str]:
    if _is_message(value):
        yield head
        yield from _fields(value, longest, f"{indent}  ")
    elif _is_sequence(value) and len(value) and _is_message(value[0]):
        yield head
        yield from _messages(value, longest, indent)
    elif _is_sequence(value):
        yield f"{head} {_array(value, longest)}"
    else:
        yield f"{head} {_scalar(value)}"


def _messages(values: Sequence[Any], longest: int, indent: str) -> Iterator[str]:
    for value in values[:longest]:
        first, *rest = _fields(value, longest, f"{indent}  ")
        yield f"{indent}- {first.strip()}"
        yield from rest
    if len(values) > longest:
        yield f"{indent}# and {len(values) - longest} more"


def _array(values: Sequence[Any], longest: int) -> str:
    shown = [_scalar(value) for value in values[:longest]]
    more = [f"...] # {len(values)} in all"] if len(values) > longest else ["]"]
    return f"[{', '.join(shown)}{', ' if shown and len(values) > longest else ''}{more[0]}"


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):  # a rosidl byte
        return str(value[0]) if value else "0"
    if isinstance(value, str):
        cut = value if len(value) <= LONGEST_STRING else f"{value[:LONGEST_STRING]}..."
        return visible(json.dumps(cut, ensure_ascii=False))
    if isinstance(value, bool):
        return str(value).lower()
    # str() of a numpy number would include its type.
    return str(value.item() if hasattr(value, "item") else value)


def _is_message(value: Any) -> bool:
    return hasattr(value, "get_fields_and_field_types")


def _is_sequence(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes))
