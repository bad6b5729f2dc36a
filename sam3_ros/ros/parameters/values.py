"""The values that come for a parameter: taken where it is clear what is meant, or else refused."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from sam3_ros.core.errors import Sam3RosError

Default: TypeAlias = bool | int | float | str | tuple[str, ...]

_ONE = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_IN_WORDS = {"BOOL": _ONE[bool], "INTEGER": _ONE[int], "DOUBLE": _ONE[float], "STRING": _ONE[str]}
_OF_RCLPY = re.compile(
    r"Trying to set parameter '(.*)' to '(.*)' of type '\w+', expecting type '(\w+)'", re.DOTALL
)
# A value that came is shown no longer than this, and of a list so many items.
_SHOWN, _ITEMS_SHOWN = 200, 10
_MANY = {bool: "true and false", int: "whole numbers", float: "numbers", str: "texts"}


class ParameterError(Sam3RosError, ValueError):
    """A value that a parameter may not have, or not now."""


def taken(name: str, default: Default, value: Any) -> Any:
    """Return the value in the type of the default; a list for a tuple.

    A whole number is taken where any number is expected and the other way round, a single text for
    a list of one, and an empty list of any type, or nothing, for an empty list: ROS's tools guess
    the type from how a value is written. Raises ParameterError for all else.
    """
    found: Any
    if isinstance(default, tuple):
        found = _as_texts(value)
    elif isinstance(value, bool) or isinstance(default, (bool, str)):
        found = value if type(value) is type(default) else None
    elif isinstance(value, (int, float)) and (isinstance(default, float) or value == value // 1):
        found = type(default)(value)
    else:
        found = None
    if found is None:
        raise mismatch(name, default, value)
    return found


def mismatch(name: str, default: Any, value: Any) -> ParameterError:
    """Return the error for a value of another type than that of the default."""
    return ParameterError(
        f"parameter '{name}' expects {_expected(default)}, got {_came(value)}{_advice(default)}"
    )


def shown(value: Any) -> str:
    """Return a value that came as a person may read it: in one line, cut where it is long."""
    if isinstance(value, (str, bytes)):
        text, is_cut = repr(value[:_SHOWN]), len(value) > _SHOWN
    elif isinstance(value, list):
        text = f"[{', '.join(map(shown, value[:_ITEMS_SHOWN]))}]"
        is_cut = len(value) > _ITEMS_SHOWN
    else:
        text, is_cut = repr(value), False
    if len(text) > 2 * _SHOWN:
        text, is_cut = text[: 2 * _SHOWN], True
    return f"{text}..." if is_cut else text


def mistyped(error: Exception) -> ParameterError:
    """Return in plain words what rclpy says of one of its own parameters, such as use_sim_time.

    error: its InvalidParameterTypeException, which has no more than a text.
    """
    found = _OF_RCLPY.match(str(error))
    if found is None:
        return ParameterError(str(error))
    name, value, expected = found.groups()
    words = _IN_WORDS.get(expected, f"a value of type {expected}")
    advice = _advice(True) if expected == "BOOL" else ""
    return ParameterError(f"parameter '{name}' expects {words}, got {value}{advice}")


def _as_texts(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [value]
    # An empty list in a YAML file has no type, and arrives as no value.
    items = [] if value is None else _listed(value)
    if items is None or not all(isinstance(item, str) for item in items):
        return None
    return items or [""]


def _listed(value: Any) -> list[Any] | None:
    """Return the items of a list as rclpy has it (list, tuple or array); None for all else."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return None
    return list(value)


def _expected(default: Any) -> str:
    if isinstance(default, str):
        return _ONE[str]
    items = _listed(default)
    if items is None:
        return _ONE[type(default)]
    return f"a list of {_MANY.get(type(items[0]), 'values') if items else 'values'}"


def _came(value: Any) -> str:
    if value is None:
        return "nothing, or an empty list"
    items = _listed(value)
    if items is None:
        return f"{shown(value)} ({_ONE.get(type(value), 'no such value')})"
    kinds = {type(item) for item in items}
    if not items:
        return "an empty list"
    kind = _MANY.get(kinds.pop(), "values") if len(kinds) == 1 else "values"
    return f"{shown(items)} (a list of {kind})"


def _advice(default: Any) -> str:
    if isinstance(default, str):
        return ": put it into quotes twice, such as \"'007'\", if it is meant as a text"
    if isinstance(default, bool):
        return ": write true or false, without quotes"
    if isinstance(default, tuple):
        return ': write ["one", "another"], each text in quotes'
    return ""
