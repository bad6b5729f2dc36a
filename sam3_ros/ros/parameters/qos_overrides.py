"""The parameters by which a user overrides the quality of service of a topic.

rclpy declares them when a topic is created, which is after the model was loaded: a value that it
would fail at then is refused at the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.ros.parameters.values import ParameterError, mismatch
from sam3_ros.ros.qos import OVERRIDES

_CHOICES = {
    "reliability": ("reliable", "best_effort"),
    "durability": ("volatile", "transient_local"),
    "history": ("keep_last", "keep_all"),
}


def check_override(name: str, value: Any) -> None:
    """Raise ParameterError if it is an override of a topic's quality with an impossible value."""
    policy = name.rpartition(".")[2]
    if not name.startswith(OVERRIDES):
        return
    if policy == "depth":
        if type(value) is not int:
            raise mismatch(name, 1, value)
        if value < 1:
            raise ParameterError(f"parameter '{name}' is 1 or more; got {value}")
    choices = _CHOICES.get(policy, ())
    if choices and value not in choices:
        raise ParameterError(f"parameter '{name}' is one of {', '.join(choices)}; got {value!r}")


def unused_overrides(
    declared: Sequence[str], given: Iterable[str], to_come: Iterable[str] = ()
) -> list[str]:
    """Return a warning for each override that no topic has read.

    to_come: full names of topics that will be subscribed to later, and read theirs then.
    """
    later = tuple(f"{OVERRIDES}{topic}.subscription." for topic in to_come)
    known = [name for name in declared if name.startswith(OVERRIDES)]
    return [
        f"no topic reads '{name}', so it is ignored{_instead(name, known)}"
        for name in sorted(given)
        if name.startswith(OVERRIDES) and name not in known and not name.startswith(later)
    ]


def _instead(name: str, known: Sequence[str]) -> str:
    if name.endswith("image.subscription.reliability"):
        return ": set image_reliability"
    return did_you_mean(name, known)
