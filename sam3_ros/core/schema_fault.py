"""Whether plain data fits a JSON schema (draft 7), and in words why it does not.

A `description` in the schema is quoted as what was expected: give one to each `oneOf`, `anyOf` and
`pattern`. A schema may insert another file's, which uses no definitions:
`{"$ref": "../ask/prompts.json"}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from math import isfinite
from pathlib import Path
from reprlib import Repr
from typing import Any

from jsonschema import Draft7Validator  # draft 7 is the last that Ubuntu 22.04's version knows
from jsonschema.exceptions import best_match
from jsonschema.validators import extend

from sam3_ros.core.shortened_text import shortened
from sam3_ros.core.visible_text import visible

#: A document with more faults than these is judged by them.
_FAULTS_LOOKED_AT = 100
_NAMES_SHOWN = 20


def first_fault(value: Any, schema: Path) -> tuple[list[str | int], str] | None:
    """Return the place of what tells most why plain data does not fit a schema, and the reason.

    None for what fits. The place has keys and 0-based list indices from the top.
    """
    wrong = _most_telling(_validator(schema).iter_errors(value))
    return wrong and (list(wrong.absolute_path), shortened(_reason(wrong)))


def _is_finite_number(_checker: Any, value: object) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer that no float can hold
        return False


def _is_whole_number(checker: Any, value: object) -> bool:
    # Without the second condition an integer that no float can hold would pass any `maximum`.
    return Draft7Validator.TYPE_CHECKER.is_type(value, "integer") and _is_finite_number(
        checker, value
    )


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft7Validator,
    type_checker=Draft7Validator.TYPE_CHECKER.redefine_many(
        {"number": _is_finite_number, "integer": _is_whole_number}
    ),
)


@cache
def _validator(schema: Path) -> Any:
    return _Validator(_load_schema(schema))


def _load_schema(path: Path) -> Any:
    """Read a schema; in place of a `$ref` to another file is that file's content."""

    def inserted(entry: dict[str, Any]) -> Any:
        other = str(entry.get("$ref", ""))
        return _load_schema(path.parent / other) if other.endswith(".json") else entry

    return json.loads(path.read_text("utf-8"), object_hook=inserted)


_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "null": "null",
}


def _most_telling(errors: Iterator[Any]) -> Any:
    """Return the best match, or what describes all the forms among which it is one."""
    best = error = best_match(islice(errors, _FAULTS_LOOKED_AT))
    while error is not None and "description" not in error.schema:
        error = error.parent
    return best if error is None else error


def _reason(error: Any) -> str:
    """Say what was expected and what came."""
    schema: Any = error.schema
    value: Any = error.instance
    rule: Any = error.validator_value
    if error.validator == "required":
        lacking = ", ".join(repr(key) for key in rule if key not in value)
        return f"expected the key {lacking}, got {_listed(value) or 'none'}"
    if error.validator == "additionalProperties" and rule is False:
        known = schema.get("properties", {})
        unknown = _listed(repr(shortened(key, 60)) for key in value if key not in known)
        return f"expected the keys {', '.join(known)}; got the key {unknown}"
    if error.validator in _MOST and len(value) > rule:
        return f"expected at most {rule} {_MOST[error.validator]}, got {len(value)}"
    if "description" in schema:
        return f"expected {schema['description']}, got {shown(value)}"
    if error.validator == "type":
        names = [rule] if isinstance(rule, str) else rule
        return f"expected {' or '.join(_TYPES[name] for name in names)}, got {shown(value)}"
    if error.validator == "enum":
        return f"expected one of {', '.join(map(str, rule))}; got {shown(value)}"
    if error.validator in ("minimum", "maximum"):
        bound = "more" if error.validator == "minimum" else "less"
        return f"expected {rule} or {bound}, got {value}"
    if error.validator in ("minLength", "minItems", "minProperties"):
        what = "characters" if error.validator == "minLength" else "entries"
        return f"expected {rule} or more {what}, got {shown(value)}"
    return str(error.message)


_MOST = {"maxLength": "characters", "maxItems": "entries", "maxProperties": "entries"}


class _Repr(Repr):
    """Writes the first of each value, mappings in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 80

    def repr_dict(self, mapping: dict[Any, Any], level: int) -> str:
        if level <= 0:
            return "{...}"
        first = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in islice(mapping.items(), self.maxdict)
        ]
        return f"{{{', '.join(first)}{', ...' if len(mapping) > len(first) else ''}}}"


_REPR = _Repr()


def shown(value: object) -> str:
    """Return a value as a message shows it, without writing out all of a large one first."""
    return shortened(_REPR.repr(value), 120)


def _listed(names: Iterable[str]) -> str:
    """Return the first names, shortened."""
    return shortened(", ".join(visible(name[:80]) for name in islice(names, _NAMES_SHOWN)), 300)
