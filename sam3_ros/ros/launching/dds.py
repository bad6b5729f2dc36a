"""The environment in which Fast DDS carries images; set before the first ROS context is made."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sam3_ros.ros.launching.shared_files import shared_file

# Kilted and later, Jazzy and earlier.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
_RCLPY_OF_KILTED = 9


def use_image_profile(environment: MutableMapping[str, str]) -> None:
    """Name this package's profile in the environment, unless the user has one.

    Child processes inherit it. Raises Sam3RosError if the file is missing.
    """
    if profile_in_use(environment) is None:
        environment[profile_variable(environment)] = str(fastdds_profile())


def profile_in_use(environment: Mapping[str, str]) -> str | None:
    """Return the path of the profile that the user has named, by either variable."""
    return next(filter(None, map(environment.get, PROFILE_VARIABLES)), None)


def profile_variable(environment: Mapping[str, str]) -> str:
    """Return the variable that this Fast DDS reads, or the one that is set.

    Never set both: it would read the profile twice and complain about repeated names.
    """
    in_use = (name for name in PROFILE_VARIABLES if environment.get(name))
    by_distribution = PROFILE_VARIABLES[is_before_kilted(environment.get("ROS_DISTRO", ""))]
    return next(in_use, by_distribution)


def is_before_kilted(distribution: str) -> bool:
    """Return whether Fast DDS is older than 3, which has another variable and warns of the old one.

    distribution: as in ROS_DISTRO; empty with the wheels, whose version decides.
    """
    if distribution:
        return distribution in ("humble", "iron", "jazzy")
    try:
        return int(version("ros-rclpy").partition(".")[0]) < _RCLPY_OF_KILTED
    except PackageNotFoundError:
        return False


def keep_to_this_machine(environment: MutableMapping[str, str]) -> None:
    """Let ROS neither discover other machines nor be discovered by them."""
    if environment.get("ROS_DISTRO") == "humble":  # which does not know the other variable
        environment["ROS_LOCALHOST_ONLY"] = "1"
    else:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def fastdds_profile() -> Path:
    """Return the path of this package's profile. Raises Sam3RosError if it is missing."""
    return shared_file("config/fastdds.xml")
