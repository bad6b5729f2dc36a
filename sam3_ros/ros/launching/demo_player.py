"""The player of launch/demo.launch.py: `ros2 bag play`, or our own replay where that is missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from sam3_ros.core.own_program import own_command
from sam3_ros.ros.launching.arguments import BOOLEANS, LaunchArgumentError

PLAYERS = ("ros2", "sam3-ros")
IMAGE = "/camera/image"
DEPTH = "/camera/depth/image_raw"
TOPICS = (f"{IMAGE}/compressed", "/camera/camera_info", DEPTH, "/camera/depth/camera_info")
# For our own player, which needs a number: half a day.
_MANY_LOOPS = 4000
_NEEDED_BY_ROS2 = ("ros2bag", "rosbag2_storage_mcap")


def player_command(texts: Mapping[str, str], bag: Path) -> list[str]:
    """Return the command that plays the bag. Raises LaunchArgumentError.

    texts: of the launch arguments, by name.
    """
    rate, loop = _rate(texts["rate"]), BOOLEANS[texts["loop"]]
    if _player(texts["player"]) == "ros2":
        loops = ["--loop"] if loop else []
        return ["ros2", "bag", "play", str(bag), "--rate", rate, *loops, "--topics", *TOPICS]
    replay = [*own_command("sam3_ros.cli.main"), "replay", str(bag), "--no-node"]
    replay += ["--image-topic", TOPICS[0]]  # the bag has a second camera
    replay += ["--depth", DEPTH] if BOOLEANS[texts["depth"]] else []
    namespace, name = texts["namespace"].strip("/"), texts["name"]
    node = f"/{namespace}/{name}" if namespace else f"/{name}"
    return [*replay, "--node", node, "--rate", rate, "--loop", str(_MANY_LOOPS if loop else 1)]


def require_package(name: str, instead: str) -> None:
    """Raise LaunchArgumentError, with how to get the package or do without it, if it is missing."""
    if not has_package(name):
        raise LaunchArgumentError(
            f"the ROS package {name} is not installed here: "
            f"sudo apt install ros-$ROS_DISTRO-{name.replace('_', '-')}, or {instead}"
        )


def has_package(name: str) -> bool:
    """Return whether a ROS package is installed."""
    try:
        get_package_prefix(name)
    except PackageNotFoundError:
        return False
    return True


def _player(wanted: str) -> str:
    if wanted == "ros2" or (not wanted and all(map(has_package, _NEEDED_BY_ROS2))):
        for name in _NEEDED_BY_ROS2:
            require_package(name, "player:=sam3-ros")
        return "ros2"
    if importlib.util.find_spec("rosbags") is None:
        raise LaunchArgumentError(
            "nothing here plays a bag: sudo apt install ros-$ROS_DISTRO-rosbag2 "
            "ros-$ROS_DISTRO-rosbag2-storage-mcap, or pip install rosbags"
        )
    return "sam3-ros"


def _rate(text: str) -> str:
    try:
        if 0.0 < float(text) < float("inf"):
            return text
    except ValueError:
        pass
    raise LaunchArgumentError(f"argument 'rate' expects a number above 0; got {text!r}")
