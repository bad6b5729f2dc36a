"""What Fast DDS needs to carry images, set before a process makes its first ROS context."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError

# Kilted and later, Jazzy and earlier.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_RCLPY_OF_KILTED = 9
_PROFILE = Path("config", "fastdds.xml")


def use_image_profile(environment: MutableMapping[str, str]) -> None:
    """Name the profile that this package brings, unless the user has one.

    Children inherit it. Raises Sam3RosError if the package is not whole.
    """
    if any(environment.get(name) for name in PROFILE_VARIABLES):
        return
    old = is_before_kilted(environment.get("ROS_DISTRO", ""))
    environment[PROFILE_VARIABLES[old]] = str(fastdds_profile())


def is_before_kilted(distribution: str) -> bool:
    """Whether Fast DDS is older than 3, which has another variable and warns of the old one.

    distribution: as in ROS_DISTRO; empty with the wheels, whose versions tell.
    """
    if distribution:
        return distribution in ("humble", "iron", "jazzy")
    try:
        return int(version("ros-rclpy").partition(".")[0]) < _RCLPY_OF_KILTED
    except PackageNotFoundError:
        return False


def keep_to_this_machine(environment: MutableMapping[str, str]) -> None:
    """Neither hear other machines nor be heard by them."""
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def fastdds_profile() -> Path:
    """config/fastdds.xml, of the source tree or as it was installed. Raises Sam3RosError."""
    looked_at = list(_candidates())
    for path in looked_at:
        if path.is_file():
            return path
    raise Sam3RosError(
        f"expected the Fast DDS profile of this package at {' or '.join(map(str, looked_at))}: "
        "install the package anew, or name a profile by FASTDDS_DEFAULT_PROFILES_FILE"
    )


def _candidates() -> Iterator[Path]:
    yield Path(__file__).parents[2] / _PROFILE
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    for prefix in dict.fromkeys([*filter(None, prefixes), sys.prefix]):
        yield Path(prefix) / "share" / "sam3_ros" / _PROFILE
