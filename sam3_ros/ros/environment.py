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
#: Where DDS keeps what the processes of this machine share.
SHARED_MEMORY = "/dev/shm"
# What LTTng's tracing library takes of it when rclpy is imported, and some more.
_LEAST_SHARED_MEMORY = 64 * 1024
_SOURCE_LINE = re.compile(r", at \S+:\d+")
_LOG_WORDS = ("logging", "log dir")
_PARAMETERS = re.compile(r"Couldn't parse params file: '--params-file (.*)'\. Error: (.*)")
# rcutils reads nothing else of them, and then fails over and over in many lines.
_SWITCHES = (
    "RCUTILS_LOGGING_USE_STDOUT",
    "RCUTILS_LOGGING_BUFFERED_STREAM",
    "RCUTILS_COLORIZED_OUTPUT",
)
_NO_LOG = (
    "ROS has no folder for its log that can be written: "
    f"`export {LOG_FOLDER}=$(mktemp -d)`, or another one"
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
    for name in _SWITCHES:
        if environment.get(name, "") not in ("", "0", "1"):
            raise RosEnvironmentError(
                f"expected 0 or 1, got {name}={environment[name]}: `unset {name}`"
            )
    _check_security(environment)
    if free_shared_memory() < _LEAST_SHARED_MEMORY:
        raise RosEnvironmentError(
            f"{SHARED_MEMORY} is full, where ROS would be ended by SIGBUS: remove what ended "
            f"processes have left there (`fastdds shm clean`, or {SHARED_MEMORY}/fast*), or give "
            "it more room"
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
    if found := _PARAMETERS.search(said):
        return (
            f"ROS cannot read the parameters in {found[1]}: {found[2].strip()}; expected YAML of "
            "the form `/**: {ros__parameters: {NAME: VALUE}}`"
        )
    return f"ROS cannot start: {said}"


def is_of_parameters(error: Exception) -> bool:
    """Return whether it is a file of parameters that ROS could not read."""
    return _PARAMETERS.search(" ".join(str(error).split())) is not None


def _check_security(environment: Mapping[str, str]) -> None:
    """Raise RosEnvironmentError for security without its keys, of which ROS tells no reason."""
    wanted = environment.get("ROS_SECURITY_ENABLE", "").lower() == "true"
    if not wanted or environment.get("ROS_SECURITY_STRATEGY", "").lower() != "enforce":
        return
    folder = environment.get("ROS_SECURITY_KEYSTORE", "")
    if not (folder and Path(folder).is_dir()):
        came = f"ROS_SECURITY_KEYSTORE={folder}" if folder else "no ROS_SECURITY_KEYSTORE"
        raise RosEnvironmentError(
            "ROS_SECURITY_STRATEGY=Enforce expects a folder of keys, as `ros2 security "
            f"create_keystore` makes, got {came}"
        )


def free_shared_memory() -> float:
    """Return how many bytes are free in /dev/shm; infinity where there is none."""
    try:
        found = os.statvfs(SHARED_MEMORY)
    except OSError:  # not Linux, or a container without it
        return float("inf")
    return found.f_bavail * found.f_frsize


def _middlewares(environment: Mapping[str, str]) -> set[str]:
    """Return the names of the installed middlewares; none where that is not known."""
    prefixes = environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [Path(prefix) / _INSTALLED for prefix in (*prefixes, sys.prefix) if prefix]
    found = {file.name for folder in folders if folder.is_dir() for file in folder.iterdir()}
    return found - _NO_MIDDLEWARE
