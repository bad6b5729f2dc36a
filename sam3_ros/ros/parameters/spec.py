"""What a parameter of the node is: its default, its meaning, and which values it takes when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from sam3_ros.core.errors import Sam3RosError

# Parameters of the entities that a node creates; rclpy declares those that it knows.
_OF_ENTITIES = "qos_overrides."


class ParameterError(Sam3RosError, ValueError):
    """A value that a parameter may not have, or not now."""


class Changes(Enum):
    """When a parameter may be set."""

    ANY_TIME = "any time"
    UNCONFIGURED = "while the node is unconfigured"
    AT_START = "only when the node starts"


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter.

    choices: the strings it, or each of its strings, may be. limits: the least and the greatest
    number.
    """

    name: str
    default: bool | int | float | str | tuple[str, ...]
    description: str
    changes: Changes = Changes.UNCONFIGURED
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def check(self, value: object) -> None:
        """Raise ParameterError for a value of another type or outside of what is allowed."""
        if type(value) is not type(self.default):
            raise ParameterError(
                f"parameter '{self.name}' expects {type(self.default).__name__}, got {value!r}"
            )
        for each in value if isinstance(value, tuple) else (value,):
            is_blank = isinstance(value, tuple) and not each  # what an empty list comes as
            if self.choices and each not in self.choices and not is_blank:
                raise ParameterError(
                    f"parameter '{self.name}' is {self._of_choices()}; got {each!r}"
                )
        if isinstance(value, (int, float)) and self.limits is not None:
            low, high = self.limits
            if not (math.isfinite(value) and low <= value <= high):
                raise ParameterError(
                    f"parameter '{self.name}' lies in {low:g}..{high:g}; got {value}"
                )

    def descriptor(self) -> ParameterDescriptor:
        descriptor = ParameterDescriptor(
            description=self.description,
            read_only=self.changes is Changes.AT_START,
            additional_constraints=self.constraints(),
        )
        if self.limits is not None:
            low, high = self.limits
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=low, to_value=high)
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(low), to_value=int(high), step=1)
                ]
        return descriptor

    def constraints(self) -> str:
        """What a descriptor has no field for."""
        choices = f"{self._of_choices()}; " if self.choices else ""
        return f"{choices}may change {self.changes.value}"

    def _of_choices(self) -> str:
        number = "some" if isinstance(self.default, tuple) else "one"
        return f"{number} of {', '.join(self.choices)}"


def unknown_parameters(declared: Sequence[str], given: Iterable[str]) -> list[str]:
    """Return a warning for each name that was given at the start and that no node reads.

    Most often it is misspelt; ROS ignores one that is set by -p or a file and never declared.
    """
    return [
        f"no parameter '{name}', so it is ignored{_suggestion(name, declared)}"
        for name in sorted(given)
        if name not in declared and not name.startswith(_OF_ENTITIES)
    ]


def _suggestion(name: str, declared: Sequence[str]) -> str:
    matches = get_close_matches(name, declared, n=1)
    return f"; did you mean '{matches[0]}'?" if matches else ""
