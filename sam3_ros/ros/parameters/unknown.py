"""Parameters that somebody has set at the start and no node reads: most often misspelt ones."""

from __future__ import annotations

from difflib import get_close_matches

from rclpy.node import Node

# Of entities that a node creates; rclpy declares those that it knows.
_NOT_THE_NODES = "qos_overrides."


def unknown_parameters(node: Node) -> list[str]:
    """Each in words. To be called once the node has declared its own.

    ROS passes over a parameter that is set by -p or a file and never declared.
    """
    known = list(node._parameters)
    return [
        f"no parameter '{name}', so it is ignored{_meant(name, known)}"
        for name in sorted(node._parameter_overrides)
        if name not in known and not name.startswith(_NOT_THE_NODES)
    ]


def _meant(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1)
    return f"; did you mean '{matches[0]}'?" if matches else ""
