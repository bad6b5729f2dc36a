"""The page of `sam3-ros look` beside a node that launch starts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from sam3_ros.core.own_program import own_command
from sam3_ros.ros.launching.arguments import BOOLEANS, LaunchArgumentError
from sam3_ros.ros.launching.process_arguments import node_name

_COMMAND = "sam3_ros.cli.main"
_HIGHEST_PORT = 65535
# A click names an image that a viewer on a slow line has seen seconds ago.
_FRAME_MEMORY = 30


def wants_look(texts: Mapping[str, str]) -> bool:
    """Return whether the page is asked for."""
    return BOOLEANS[texts["look"]]


def look_command(texts: Mapping[str, str], given: Mapping[str, Any]) -> list[str]:
    """Return the command that serves the node's page. Raises LaunchArgumentError.

    given: the parameters that arguments set.
    """
    if given.get("build_only"):
        raise LaunchArgumentError("build_only ends when all is built: leave look away")
    if find_spec("nicegui") is None:
        raise LaunchArgumentError(
            "argument 'look' needs nicegui, which is not here: pip install 'nicegui>=3.18,<4'"
        )
    port, host = texts["look_port"], texts["look_host"]
    if not (port.isdecimal() and int(port) <= _HIGHEST_PORT):
        raise LaunchArgumentError(
            f"argument 'look_port' expects a port up to {_HIGHEST_PORT}, 0 for a free one; got "
            f"{port!r}"
        )
    if not host.strip() or host.startswith("-"):
        raise LaunchArgumentError(
            f"argument 'look_host' expects an address such as 0.0.0.0; got {host!r}"
        )
    name, namespace = node_name(texts)
    full_name = f"{namespace.rstrip('/')}/{name}"
    options = ["--node", full_name, "--host", host, "--port", port]
    return [*own_command(_COMMAND), "look", *options]


def parameters_for_look() -> dict[str, Any]:
    """Return parameters that serve the page; whatever else sets them wins."""
    return {"frame_memory": _FRAME_MEMORY}
