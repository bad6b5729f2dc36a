"""The environment in which Fast DDS carries images; set before the first ROS context is made."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.ros.environment import SHARED_MEMORY, free_shared_memory
from sam3_ros.ros.launching.shared_files import shared_file

# Kilted and later, Jazzy and earlier.
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
# With a value of DEFAULT: what Fast DDS does without a profile.
TRANSPORTS_VARIABLE = "FASTDDS_BUILTIN_TRANSPORTS"
_MIDDLEWARE = "RMW_IMPLEMENTATION"
# Fast DDS reads them without being told.
_FILES_OF_THE_FOLDER = ("DEFAULT_FASTDDS_PROFILES.xml", "DEFAULT_FASTRTPS_PROFILES.xml")
_RCLPY_OF_KILTED = 9
_HUMBLE, _LOCALHOST_ONLY = "humble", "ROS_LOCALHOST_ONLY"
MEBIBYTE = 2**20
# The segment of config/fastdds.xml, and some room for that of another process.
_NEEDED_SHARED_MEMORY = 80 * MEBIBYTE
# Its default takes less than one each for the segment and the ports; where the memory is full, the
# system ends the process by SIGBUS as soon as it writes there.
_LEAST_SHARED_MEMORY = 4 * MEBIBYTE
# What Fast DDS 2.13 to 3.2 know; of another one they say nothing, and use DEFAULT.
_TRANSPORTS = (
    "NONE", "DEFAULT", "DEFAULTv6", "SHM", "UDPv4", "UDPv6", "LARGE_DATA", "LARGE_DATAv6", "P2P",
)  # fmt: skip
#: How a sentence begins that is a warning, this one or the other.
WITHOUT_SHARED_MEMORY = "Fast DDS goes without shared memory"
KEEPS_DEFAULTS = "Fast DDS keeps its default transports, which lose large images"


def use_image_profile(environment: MutableMapping[str, str]) -> str:
    """Name this package's profile in the environment, unless the user has chosen; say which.

    Child processes inherit it. Raises Sam3RosError if the file is missing.
    """
    chosen = chosen_transport(environment)
    if chosen:
        return chosen
    free = free_shared_memory()
    if free < _LEAST_SHARED_MEMORY:
        environment[TRANSPORTS_VARIABLE] = "UDPv4"
        return (
            f"{WITHOUT_SHARED_MEMORY}, because {SHARED_MEMORY} is full: it loses "
            "large images; empty it, then start again"
        )
    if free < _NEEDED_SHARED_MEMORY:
        return (
            f"{KEEPS_DEFAULTS}: {SHARED_MEMORY} has less than "
            f"{_NEEDED_SHARED_MEMORY // MEBIBYTE} MiB left (docker run --ipc host, or "
            "--shm-size 1g)"
        )
    profile = fastdds_profile(environment)
    environment[profile_variable(environment)] = str(profile)
    return f"Fast DDS uses the profile {profile}"


def chosen_transport(environment: Mapping[str, str]) -> str:
    """Return in words what the environment already says of how DDS transports; empty if nothing."""
    if not is_fast_dds(environment):
        return f"the ROS middleware is {environment[_MIDDLEWARE]}, with its own settings"
    if unread := _unread_variable(environment):
        return (
            f"{KEEPS_DEFAULTS}: {unread} is set, and before Kilted Fast DDS reads "
            f"{PROFILE_VARIABLES[1]} alone"
        )
    if profile := profile_in_use(environment):
        if problem := _unreadable(Path(profile)):
            return f"{KEEPS_DEFAULTS}: {profile_variable(environment)} names {profile}, {problem}"
        return f"Fast DDS uses the profile {profile}, as the environment says"
    if transports := environment.get(TRANSPORTS_VARIABLE):
        name = transports.partition("?")[0]  # options may follow
        if name.lower() not in map(str.lower, _TRANSPORTS):
            return (
                f"{KEEPS_DEFAULTS}: {TRANSPORTS_VARIABLE}={transports} is none of "
                f"{', '.join(_TRANSPORTS)}{did_you_mean(name, _TRANSPORTS)}"
            )
        return f"Fast DDS uses {TRANSPORTS_VARIABLE}={transports}, as the environment says"
    found = [name for name in _FILES_OF_THE_FOLDER if Path(name).is_file()]
    return f"Fast DDS uses {found[0]} of this folder" if found else ""


def _unread_variable(environment: Mapping[str, str]) -> str:
    """Return the variable in which a profile is named and not found; empty if none is.

    Kilted reads the old one too.
    """
    new, old = PROFILE_VARIABLES
    is_old = is_before_kilted(environment.get("ROS_DISTRO", ""))
    return new if is_old and environment.get(new) and not environment.get(old) else ""


def _unreadable(profile: Path) -> str:
    """Return why Fast DDS cannot read a profile, which it says in colours only; empty if it can."""
    try:
        with profile.open("rb") as file:
            ElementTree.parse(file)
    except OSError as error:
        return f"which cannot be read ({error.strerror})"
    except ElementTree.ParseError as error:
        return f"which is no XML ({error})"
    return ""


def is_fast_dds(environment: Mapping[str, str]) -> bool:
    """Return whether ROS runs on Fast DDS, its default."""
    return environment.get(_MIDDLEWARE, "") in ("", "rmw_fastrtps_cpp", "rmw_fastrtps_dynamic_cpp")


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
    if environment.get("ROS_DISTRO") == _HUMBLE:  # which does not know the other variable
        environment[_LOCALHOST_ONLY] = "1"
    else:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def fastdds_profile(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of this package's profile. Raises Sam3RosError if it is missing.

    environment: by ROS_LOCALHOST_ONLY, Humble adds a transport for this machine to those of the
    profile, and one for every interface would undo it. Later distributions find strangers by none.
    """
    of_humble = (environment.get("ROS_DISTRO"), environment.get(_LOCALHOST_ONLY))
    is_for_this_machine = of_humble == (_HUMBLE, "1")
    return shared_file(f"config/fastdds{'_localhost' if is_for_this_machine else ''}.xml")
