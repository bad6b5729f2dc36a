"""The one strict reader of YAML that people write: plain data, checked against a JSON schema.

    _SCENARIO = DocumentKind("the scenario", Path(__file__).with_name("scenario.json"), PlanError)
    document = read_document(path, _SCENARIO)
    seconds = document.value["seconds"]
    raise document.error(("seconds",), "expected fewer than the bag's 60, got 90")

An error names the file, the line, the place, what was expected and what came:
`/x/a.yaml, line 3, limits/lost: expected a whole number, got 'many'`. Nothing in the text is
executed. Tags, aliases and keys written twice are refused, and so is a text of more than
MAX_CHARACTERS, MAX_DEPTH levels, MAX_VALUES values or numbers of more than MAX_DIGITS: each of them
before it costs anything, since the text may be a stranger's.

A mapping's keys are kept as they are written (`on` is "on", not True). Numbers are decimal: what
YAML 1.1 would read as octal, hexadecimal, a time or a date is a text. A `description` in the schema
is quoted as what was expected: give one to each `oneOf`, `anyOf` and `pattern`. A schema may insert
another file's, which uses no definitions: `{"$ref": "../ask/prompts.json"}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import isfinite
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml
from jsonschema import Draft7Validator  # draft 7 is the last that Ubuntu 22.04's version knows
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import BaseResolver

from sam3_ros.core.bounded_file import read_at_most
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.visible_text import visible

try:
    from yaml.cyaml import CParser as _Events  # type: ignore[attr-defined]  # much faster
except ImportError:  # PyYAML was built without libyaml
    from sam3_ros.core.yaml_events import Events as _Events  # type: ignore[assignment]

#: A schema for a document of which only some keys are looked at.
ANY_MAPPING = Path(__file__).with_name("any_mapping.json")

MAX_CHARACTERS = 1_000_000
#: In a file.
MAX_BYTES = 4 * MAX_CHARACTERS
MAX_DEPTH = 32
#: Scalars, lists and mappings, and the keys.
MAX_VALUES = 30_000
MAX_DIGITS = 1000
#: A document with more faults than these is judged by them.
_FAULTS_LOOKED_AT = 100
_NAMES_SHOWN = 20


@dataclass(frozen=True)
class DocumentKind:
    """What a document must be, and how its errors are raised."""

    #: As a message calls it, such as "the manifest".
    name: str
    #: The file of its JSON schema (draft 7), beside the module that reads the document.
    schema: Path
    #: What a document that is not sound raises.
    error: type[Sam3RosError]
    #: The number that the document's key `format` must have; None if it has no such key.
    format: int | None = None
    #: What to do about another format; completes "update sam3_ros, or ...".
    outdated: str = ""
    #: Keep every value a string as written: `yes` stays "yes", `007` stays "007".
    only_strings: bool = False


@dataclass(frozen=True)
class Document:
    """A document that fits its schema."""

    #: dict, list, str, int, float, bool or None.
    value: Any
    kind: DocumentKind
    #: The file, or another name of where the text is from; may be empty.
    source: str
    _node: yaml.Node

    def error(self, place: Sequence[str | int], reason: str) -> Sam3RosError:
        """Return the kind's error for a value that the schema cannot judge.

        place: keys and 0-based list indices from the top, such as ("limits", "lost").
        """
        where = [self.source or self.kind.name, f"line {_line(self._node, place)}"]
        # For people, the first entry of a list is number 1.
        steps = [f"entry {step + 1}" if isinstance(step, int) else step for step in place]
        where.append("/".join(steps) or "top level")
        return self.kind.error(f"{', '.join(where)}: {reason}")


def read_document(path: Path, kind: DocumentKind) -> Document:
    """Read a UTF-8 file. Raises the kind's error, with the path, for anything that is not sound."""
    try:
        text = decoded(read_at_most(path.expanduser(), MAX_BYTES))
    # ValueError: a NUL in the name, or not UTF-8. RuntimeError: ~ of an unknown user.
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise kind.error(f"{kind.name} {path} cannot be read: {reason}") from error
    return parse_document(text, kind, str(path))


def decoded(data: bytes) -> str:
    """Return UTF-8 as a text, without the mark with which some editors begin it.

    Raises ValueError, in a few words, for anything else.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        came = "utf-16" if is_utf16 else f"byte 0x{data[error.start]:02x} at {error.start}"
        raise ValueError(f"expected text in utf-8, got {came}; save it as utf-8") from error


def parse_document(text: str, kind: DocumentKind, source: str = "") -> Document:
    """Read a text. Raises the kind's error for anything that is not sound.

    source: named in errors, such as the file's path; the kind's name is if this is empty.
    """
    named = source or kind.name
    if len(text) > MAX_CHARACTERS:
        raise kind.error(f"{named}: expected at most {MAX_CHARACTERS} characters, got more")
    try:
        # Its constructor refuses characters that YAML does not allow, such as control characters.
        loader = (_StrictStrings if kind.only_strings else _Strict)(text)
        try:
            node = loader.get_single_node() or yaml.ScalarNode("tag:yaml.org,2002:null", "")
            value = loader.construct_document(node)
        finally:
            loader.dispose()
    except _RefusedError as error:
        raise kind.error(f"{named}, {error}") from error
    # UnicodeEncodeError, a ValueError: half of a surrogate pair.
    except (yaml.YAMLError, ValueError) as error:
        raise kind.error(f"{named} is not plain YAML: {_shortened(str(error))}") from error
    document = Document(value, kind, source, node)
    if kind.format is not None:
        _require_format(document)
    if (fault := first_fault(value, kind.schema)) is not None:
        raise document.error(*fault)
    return document


def first_fault(value: Any, schema: Path) -> tuple[list[str | int], str] | None:
    """Return the place of what tells most why plain data does not fit a schema, and the reason.

    None for what fits. The place is as Document.error takes it.
    """
    wrong = _most_telling(_validator(schema).iter_errors(value))
    return wrong and (list(wrong.absolute_path), _shortened(_reason(wrong)))


def dump_document(document: Mapping[str, Any]) -> str:
    """Return the YAML that parse_document reads back, keys in their order."""
    plain = plain_data(document)
    return yaml.dump(plain, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def plain_data(value: Any) -> Any:
    """Return nested mappings and sequences as dicts and lists, as YAML and JSON need them."""
    if isinstance(value, Mapping):
        return {key: plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    return value


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


class _RefusedError(ValueError):
    """The text is YAML, but of a form that is not accepted; the message begins with the line."""


class _PlainValues(BaseResolver):
    """Knows null, true and false, and decimal numbers; all else is a text.

    What it knows is part of what YAML 1.1 has, so that dump_document puts quotes where it must.
    """


_TRUE_OR_FALSE = "yes|no|true|false|on|off"
for _tag, _form, _begins in (
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", "|".join((_TRUE_OR_FALSE, _TRUE_OR_FALSE.title(), _TRUE_OR_FALSE.upper())), "yntfo"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?", "-+0123456789."),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
):
    _PlainValues.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}",
        re.compile(rf"(?:{_form})\Z"),
        [*_begins, *(letter.upper() for letter in _begins if letter in "yntfo")],
    )


class _Strict(Composer, _Events, SafeConstructor, _PlainValues):
    """Plain data only: no aliases, no tags, each key once and kept as written; all of it bounded.

    The parser hands out events as they are asked for, so what is refused here was never parsed.
    """

    def __init__(self, text: str) -> None:
        _Events.__init__(self, text)
        Composer.__init__(self)
        SafeConstructor.__init__(self)
        _PlainValues.__init__(self)
        self._depth = self._values = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()
        line = event.start_mark.line + 1
        # A few nested aliases can expand to gigabytes.
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(f"line {line}: uses YAML aliases (*name); write the values out")
        # A tag can demand what its value is not, such as !!bool x, which breaks the loader.
        if getattr(event, "tag", None) is not None:
            tag = _shortened(event.tag, 60)
            raise ValueError(f"line {line} uses the YAML tag {tag!r}; write the value alone")
        self._values += 1
        if self._values > MAX_VALUES:
            raise _RefusedError(f"line {line}: expected at most {MAX_VALUES} values, got more")
        if self._depth == MAX_DEPTH:
            raise _RefusedError(
                f"line {line}: expected at most {MAX_DEPTH} levels of lists and mappings, got more"
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        digits = node.tag.endswith((":int", ":float")) and len(node.value)
        if digits > MAX_DIGITS:
            line = node.start_mark.line + 1
            raise _RefusedError(
                f"line {line}: expected numbers of at most {MAX_DIGITS} digits, got one of {digits}"
            )
        return super().construct_object(node, deep=deep)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise ValueError("expected a mapping")
        mapping: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                raise ValueError(f"expected keys that are single values, not as in line {line}")
            if key.value in mapping:
                line = key.start_mark.line + 1
                raise _RefusedError(f"line {line}: has the key {_shortened(key.value)!r} twice")
            mapping[key.value] = self.construct_object(value, deep=deep)
        return mapping


class _StrictStrings(_Strict):
    """Mappings, lists and strings only."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return self.DEFAULT_SCALAR_TAG
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


def _require_format(document: Document) -> None:
    kind, value = document.kind, document.value
    named = document.source or kind.name
    if not isinstance(value, dict):
        raise kind.error(f"{named} must be a mapping, not {type(value).__name__}")
    version = value.get("format")
    if version is None:
        raise kind.error(f"{named} has no `format`; expected `format: {kind.format}`")
    if version != kind.format or not isinstance(version, int) or isinstance(version, bool):
        raise kind.error(
            f"{named} has format {_shown(version)}, and this sam3_ros reads format {kind.format}: "
            f"update sam3_ros, or {kind.outdated}"
        )


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
        unknown = _listed(repr(_shortened(key, 60)) for key in value if key not in known)
        return f"expected the keys {', '.join(known)}; got the key {unknown}"
    if error.validator in _MOST and len(value) > rule:
        return f"expected at most {rule} {_MOST[error.validator]}, got {len(value)}"
    if "description" in schema:
        return f"expected {schema['description']}, got {_shown(value)}"
    if error.validator == "type":
        names = [rule] if isinstance(rule, str) else rule
        return f"expected {' or '.join(_TYPES[name] for name in names)}, got {_shown(value)}"
    if error.validator == "enum":
        return f"expected one of {', '.join(map(str, rule))}; got {_shown(value)}"
    if error.validator in ("minimum", "maximum"):
        bound = "more" if error.validator == "minimum" else "less"
        return f"expected {rule} or {bound}, got {value}"
    if error.validator in ("minLength", "minItems", "minProperties"):
        what = "characters" if error.validator == "minLength" else "entries"
        return f"expected {rule} or more {what}, got {_shown(value)}"
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


def _shown(value: object) -> str:
    """Return a value as a message shows it, without writing out all of a large one first."""
    return _shortened(_REPR.repr(value), 120)


def _listed(names: Iterable[str]) -> str:
    """Return the first names, shortened."""
    return _shortened(", ".join(visible(name[:80]) for name in islice(names, _NAMES_SHOWN)), 300)


def _line(node: yaml.Node, place: Sequence[str | int]) -> int:
    """Return the line, from 1, on which a value starts, or what holds it if it is not there."""
    for step in place:
        entries: Any = node.value
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in entries if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(entries):
            found = entries[step]
        else:
            found = None
        if found is None:
            break
        node = found
    return node.start_mark.line + 1 if node.start_mark is not None else 1


def _shortened(message: str, limit: int = 300) -> str:
    line = " ".join(message[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
