"""YAML as plain data, bounded in depth, values and digits while it is parsed.

What is refused is refused before it costs anything, since the text may be a stranger's. Tags,
aliases and keys written twice are refused too. A mapping's keys are kept as they are written (`on`
is "on", not True). Numbers are decimal: what YAML 1.1 would read as octal, hexadecimal, a time or a
date is a text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import BaseResolver

from sam3_ros.core.shortened_text import shortened

try:
    from yaml.cyaml import CParser as _Events  # type: ignore[attr-defined]  # much faster
except ImportError:  # PyYAML was built without libyaml
    from sam3_ros.core.yaml_events import Events as _Events  # type: ignore[assignment]

MAX_DEPTH = 32
#: Scalars, lists and mappings, and the keys.
MAX_VALUES = 30_000
MAX_DIGITS = 1000


def parse_yaml(text: str, *, only_strings: bool) -> tuple[Any, yaml.Node]:
    """Return what a text holds (None if it is empty), and its nodes, which have the lines.

    only_strings: keep every value a string as written. Raises RefusedError for a form that is not
    accepted, yaml.YAMLError or ValueError for what is no plain YAML.
    """
    # Its constructor refuses characters that YAML does not allow, such as control characters.
    loader = (_StrictStrings if only_strings else _Strict)(text)
    try:
        node = loader.get_single_node() or yaml.ScalarNode("tag:yaml.org,2002:null", "")
        return loader.construct_document(node), node
    finally:
        loader.dispose()


class RefusedError(ValueError):
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
            raise RefusedError(f"line {line}: uses YAML aliases (*name); write the values out")
        # A tag can demand what its value is not, such as !!bool x, which breaks the loader.
        if getattr(event, "tag", None) is not None:
            tag = shortened(event.tag, 60)
            raise ValueError(f"line {line} uses the YAML tag {tag!r}; write the value alone")
        self._values += 1
        if self._values > MAX_VALUES:
            raise RefusedError(f"line {line}: expected at most {MAX_VALUES} values, got more")
        if self._depth == MAX_DEPTH:
            raise RefusedError(
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
            raise RefusedError(
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
                raise RefusedError(f"line {line}: has the key {shortened(key.value)!r} twice")
            mapping[key.value] = self.construct_object(value, deep=deep)
        return mapping


class _StrictStrings(_Strict):
    """Mappings, lists and strings only."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        if kind is yaml.ScalarNode:
            return self.DEFAULT_SCALAR_TAG
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
