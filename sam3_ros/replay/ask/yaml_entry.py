"""A YAML file read strictly: each error names the file, the line and the key."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from sam3_ros.core.errors import Sam3RosError


class ExpectationError(Sam3RosError):
    """An expectation that cannot be read, or that asks for what cannot be."""


class YamlEntry:
    """A value of the file, with its place for the errors; all methods raise ExpectationError."""

    def __init__(self, path: Path, node: yaml.Node, key: str) -> None:
        """key: where it stands, such as judge.limits.lost; empty for the whole file."""
        self._path = path
        self._node = node
        self.key = key

    @property
    def value(self) -> Any:
        """As yaml.safe_load gives it."""
        try:
            return yaml.SafeLoader("").construct_document(self._node)
        except yaml.YAMLError as error:
            raise self.wrong("what YAML can mean") from error

    def wrong(self, expected: str) -> ExpectationError:
        """To be raised for a value that is not what was expected."""
        said = self._node.value if isinstance(self._node, yaml.ScalarNode) else self.kind
        return self.refused(f"expected {expected}, got {said!r}")

    def refused(self, reason: str) -> ExpectationError:
        """To be raised for a value that is refused for another reason."""
        where = f"{self._path}, line {self._node.start_mark.line + 1}"
        return ExpectationError(
            f"{where}, {self.key}: {reason}" if self.key else f"{where}: {reason}"
        )

    @property
    def kind(self) -> str:
        kinds = {yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list"}
        return kinds.get(type(self._node), "a single value")

    def fields(self, known: Collection[str] | None = None) -> dict[str, YamlEntry]:
        """The entries of a mapping, each once. known: the keys that it may have, None for any."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.wrong(f"a mapping of {', '.join(known)}" if known else "a mapping")
        found: dict[str, YamlEntry] = {}
        for key_node, value_node in self._node.value:
            name = str(key_node.value)
            place = f"{self.key}.{name}" if self.key else name
            if known is not None and name not in known:
                unknown = YamlEntry(self._path, key_node, self.key)
                raise unknown.refused(f"expected one of {', '.join(known)}, got the key {name!r}")
            if name in found:
                raise YamlEntry(self._path, key_node, place).refused("this key is there twice")
            found[name] = YamlEntry(self._path, value_node, place)
        return found

    def items(self) -> list[YamlEntry]:
        """The entries of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.wrong("a list")
        return [
            YamlEntry(self._path, node, f"{self.key}[{number}]")
            for number, node in enumerate(self._node.value, start=1)
        ]

    @property
    def is_list(self) -> bool:
        return isinstance(self._node, yaml.SequenceNode)

    def text(self, what: str = "a text") -> str:
        value = self.value
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(what)
        return value

    def path(self, base: Path) -> Path:
        """Relative to a folder, unless it is absolute."""
        return base / self.text("a path")

    def whole(self, least: int = 0) -> int:
        value = self.value
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.wrong(f"a whole number of {least} or more")
        return value

    def number(self, least: float, most: float = math.inf) -> float:
        value = self.value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and least <= value <= most):
            limits = f"of {least:g} or more" if math.isinf(most) else f"in {least:g}..{most:g}"
            raise self.wrong(f"a number {limits}")
        return float(value)

    def yes_or_no(self) -> bool:
        value = self.value
        if not isinstance(value, bool):
            raise self.wrong("true or false")
        return value


def read_yaml(path: Path) -> YamlEntry:
    """The whole file as one entry. Raises ExpectationError."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError as error:
        raise ExpectationError(f"there is no expectation {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ExpectationError(f"cannot read {path}: {error}") from error
    if node is None:
        raise ExpectationError(f"{path} is empty")
    return YamlEntry(path, node, "")
