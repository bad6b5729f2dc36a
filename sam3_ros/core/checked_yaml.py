"""The one strict reader of YAML that people write: plain data, checked against a JSON schema.

    _SCENARIO = DocumentKind("the scenario", Path(__file__).with_name("scenario.json"), PlanError)
    document = read_document(path, _SCENARIO)
    seconds = document.value["seconds"]
    raise document.error(("seconds",), "expected fewer than the bag's 60, got 90")

An error names the file, the line, the place, what was expected and what came:
`/x/a.yaml, line 3, limits/lost: expected a whole number, got 'many'`. Nothing in the text is
executed. strict_yaml.py says what of YAML is read, and within which bounds; schema_fault.py what a
schema may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.bounded_file import decoded, read_at_most
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.schema_fault import first_fault, shown
from sam3_ros.core.shortened_text import shortened
from sam3_ros.core.strict_yaml import RefusedError, parse_yaml

#: A schema for a document of which only some keys are looked at.
ANY_MAPPING = Path(__file__).with_name("any_mapping.json")

MAX_CHARACTERS = 1_000_000
#: In a file.
MAX_BYTES = 4 * MAX_CHARACTERS


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


def parse_document(text: str, kind: DocumentKind, source: str = "") -> Document:
    """Read a text. Raises the kind's error for anything that is not sound.

    source: named in errors, such as the file's path; the kind's name is if this is empty.
    """
    named = source or kind.name
    if len(text) > MAX_CHARACTERS:
        raise kind.error(f"{named}: expected at most {MAX_CHARACTERS} characters, got more")
    try:
        value, node = parse_yaml(text, only_strings=kind.only_strings)
    except RefusedError as error:
        raise kind.error(f"{named}, {error}") from error
    # UnicodeEncodeError, a ValueError: half of a surrogate pair.
    except (yaml.YAMLError, ValueError) as error:
        raise kind.error(f"{named} is not plain YAML: {shortened(str(error))}") from error
    document = Document(value, kind, source, node)
    if kind.format is not None:
        _require_format(document)
    if (fault := first_fault(value, kind.schema)) is not None:
        raise document.error(*fault)
    return document


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
            f"{named} has format {shown(version)}, and this sam3_ros reads format {kind.format}: "
            f"update sam3_ros, or {kind.outdated}"
        )


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
