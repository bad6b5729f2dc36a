"""Options of `sam3-ros bench` that only one of its measurements takes: their defaults.

Given to another measurement they are refused, not ignored, so until then they are None.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from sam3_ros.core.errors import Sam3RosError

# By the names of the parsed options.
OF_STAGES: Mapping[str, object] = {
    "size": (640, 480),
    "prompts": 2,
    "cameras": 2,
    "against": None,
    "rival_bundle": None,
    "checkpoint": None,
    "reductions": False,
}
OF_GROWTH: Mapping[str, object] = {"plot": None}
OF_BOTH: Mapping[str, object] = {"sizes": None}
OF_NODE: Mapping[str, object] = {
    "transports": ("raw", "compressed"),
    "encoding": "bgr8",
    "rate": 30.0,
    "clicks": 20,
    "domain": None,
    "param": (),
}
_INSTEAD = {"size": "; give --sizes", "sizes": "; give --size"}


def refuse_options(
    options: argparse.Namespace, measurement: str, *others: Mapping[str, object]
) -> None:
    """Raise Sam3RosError for one of the others' that was given.

    measurement: such as "with --node".
    """
    for name in (name for other in others for name in other):
        if not _is_missing(options, name):
            option = name.replace("_", "-")
            instead = _INSTEAD.get(name, "")
            raise Sam3RosError(f"--{option} is not for a bench {measurement}{instead}")


def fill_in(options: argparse.Namespace, own: Mapping[str, object]) -> None:
    """Set the default of each that was not given."""
    for name, default in own.items():
        if _is_missing(options, name):
            setattr(options, name, default)


def _is_missing(options: argparse.Namespace, name: str) -> bool:
    given = getattr(options, name)
    return given is None or given is False or given == []
