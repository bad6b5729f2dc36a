"""YAML that people may write and nobody has to trust: plain data, held against a JSON schema.

Nothing in the text is executed: the safe loader knows plain data only, and the schema is checked
before a value is used.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from sam3_ros.core.errors import Sam3RosError

MAX_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class DocumentKind:
    """name: as a message calls it, such as "the manifest". schema: a file beside this one.

    outdated: what to do about a format that is not this one. error: what a bad text raises.
    """

    name: str
    format: int
    schema: str
    outdated: str
    error: type[Sam3RosError]


def parse_document(text: str, kind: DocumentKind) -> dict[str, Any]:
    """The mapping that the text holds. Raises the kind's error for anything that is not sound."""
    document = _load(text, kind)
    _require_known_format(document, kind)
    error = best_match(_validator(kind.schema).iter_errors(document))
    if error is not None:
        where = "/".join(str(step) for step in error.absolute_path) or "top level"
        raise kind.error(f"{kind.name} has a wrong form at {where}: {_shortened(error.message)}")
    return document


def dump_document(document: dict[str, Any]) -> str:
    """The YAML that parse_document reads back."""
    return yaml.dump(document, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


class _PlainDumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


class _DoubledKeyError(ValueError):
    pass


class _StrictLoader(yaml.SafeLoader):
    """Plain data only, and no key twice: the safe loader would take the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        names = Counter(key.value for key, _ in pairs if isinstance(key, yaml.ScalarNode))
        doubled = [name for name, count in names.items() if count > 1]
        if doubled:
            raise _DoubledKeyError(_shortened(", ".join(doubled)))
        return super().construct_mapping(node, deep)


def _load(text: str, kind: DocumentKind) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise kind.error(f"{kind.name} is longer than {MAX_CHARACTERS} characters")
    try:
        # A few nested aliases can stand for gigabytes, and no document of ours needs any.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise kind.error(f"{kind.name} uses YAML aliases (*name); write the values out")
        document = yaml.load(text, Loader=_StrictLoader)
    except _DoubledKeyError as error:
        raise kind.error(f"{kind.name} has a key twice: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise kind.error(f"{kind.name} is not plain YAML: {_shortened(str(error))}") from error
    if not isinstance(document, dict):
        raise kind.error(f"{kind.name} must be a mapping, not {type(document).__name__}")
    return document


def _require_known_format(document: dict[str, Any], kind: DocumentKind) -> None:
    version = document.get("format")
    if version == kind.format and isinstance(version, int) and not isinstance(version, bool):
        return
    if version is None:
        raise kind.error(f"{kind.name} has no `format`; expected `format: {kind.format}`")
    raise kind.error(
        f"{kind.name} has format {version!r}, and this sam3_ros reads format {kind.format}: "
        f"update sam3_ros, or {kind.outdated}"
    )


@cache
def _validator(schema: str) -> Draft7Validator:  # draft 7: the last that Ubuntu 22.04 knows
    return Draft7Validator(json.loads(Path(__file__).with_name(schema).read_text("utf-8")))


def _shortened(message: str, limit: int = 300) -> str:
    line = " ".join(message.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
