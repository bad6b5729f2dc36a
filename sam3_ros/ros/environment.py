"""What ROS takes from the environment, checked before it does: it ends the process or a traceback.

Nothing here imports rclpy, because importing it can end the process too.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError

DOMAIN, MIDDLEWARE, LOG_FOLDER = "ROS_DOMAIN_ID", "RMW_IMPLEMENTATION", "ROS_LOG_DIR"
# More would give ports above 65535 (DDSI-RTPS 2.5, section 9.6.1).
LAST_DOMAIN = 232
_INSTALLED = Path("share", "ament_index", "resource_index", "rmw_typesupport")
_NO_MIDDLEWARE = frozenset({"rmw_implementation"})  # it chooses one
_SOURCE_LINE = re.compile(r", at \S+:\d+")
_LOG_WORDS = ("logging", "log dir")
_NO_LOG = (
    "ROS has no folder for its log that can be written: "
    f"`export {LOG_FOLDER}=/tmp/ros`, or another one"
)


class RosEnvironmentError(Sam3RosError):
    """ROS cannot start here, because of a variable or a folder."""


def check_ros_environment(environment: Mapping[str, str], domain_id: int | None = None) -> None:
    """Raise RosEnvironmentError for a ROS domain, a middleware or a home that there is not.

    domain_id: used instead of that of the environment; None for that one.
    """
    text = environment.get(DOMAIN, "").strip() if domain_id is None else str(domain_id)
    if text and not (text.isdecimal() and text.isascii() and int(text) <= LAST_DOMAIN):
        given = f"{DOMAIN}={text}" if domain_id is None else f"the domain {text}"
        raise RosEnvironmentError(
            f"expected a ROS domain from 0 to {LAST_DOMAIN}, got {given}: "
            f"`export {DOMAIN}=0`, or `unset {DOMAIN}`"
        )
    if not any(environment.get(name) for name in (LOG_FOLDER, "ROS_HOME", "HOME")):
        # Jazzy says it in eight lines of its own before its error comes.
        raise RosEnvironmentError(f"{_NO_LOG} (HOME is not set)")
    wanted, installed = environment.get(MIDDLEWARE, ""), _middlewares(environment)
    if wanted and installed and wanted not in installed:
        raise RosEnvironmentError(
            f"{MIDDLEWARE}={wanted} is not installed here, {', '.join(sorted(installed))} is: "
            f"install it, or `unset {MIDDLEWARE}`"
        )


def explained(error: Exception) -> str:
    """Return what an error of ROS at its start means, and what to do, in one line."""
    said = _SOURCE_LINE.sub("", " ".join(str(error).split()))
    if any(words in said.lower() for words in _LOG_WORDS):
        return f"{_NO_LOG} ({said})"
    return f"ROS cannot start: {said}"


def _middlewares(environment: Mapping[str, str]) -> set[str]:
    """Return the names of the installed middlewares; none where that is not known."""
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(prefix) / _INSTALLED for prefix in (*prefixes, sys.prefix) if prefix]
    found = {file.name for folder in folders if folder.is_dir() for file in folder.iterdir()}
    return found - _NO_MIDDLEWARE
