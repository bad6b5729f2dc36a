"""Stand-ins for the launch packages, which come with a ROS install and not with the wheels.

A launch file that is loaded with them tells what it declares and what it would start.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

LAUNCH_FOLDER = Path(__file__).parents[2] / "launch"
RECORDED = {
    "launch": ["LaunchContext", "LaunchDescription"],
    "launch.actions": [
        *("DeclareLaunchArgument", "ExecuteProcess", "IncludeLaunchDescription"),
        *("OpaqueFunction", "Shutdown"),
    ],
    "launch.launch_description_sources": ["PythonLaunchDescriptionSource"],
    "launch.substitutions": [
        *("EnvironmentVariable", "LaunchConfiguration", "PathJoinSubstitution"),
    ],
    "launch_ros": [],
    "launch_ros.actions": ["Node"],
    "launch_ros.substitutions": ["FindPackageShare"],
}


class Recorded:
    """A class of the launch packages that keeps its arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs


class LaunchFile:
    """A file of launch/, loaded with the stand-ins."""

    def __init__(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        for package, classes in RECORDED.items():
            stand_in = ModuleType(package)
            vars(stand_in).update({each: type(each, (Recorded,), {}) for each in classes})
            monkeypatch.setitem(sys.modules, package, stand_in)
        spec = importlib.util.spec_from_file_location(name.partition(".")[0], LAUNCH_FOLDER / name)
        assert spec is not None and spec.loader is not None
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    @property
    def arguments(self) -> dict[str, dict[str, Any]]:
        """Return the keywords with which each argument is declared, by its name."""
        (actions,) = self.module.generate_launch_description().args
        declared = (each for each in actions if type(each).__name__ == "DeclareLaunchArgument")
        return {action.args[0]: action.kwargs for action in declared}

    def context(self, **given: str) -> SimpleNamespace:
        """Make the context that launch makes from arguments on the command line."""
        defaults = {
            name: shown(declared["default_value"]) for name, declared in self.arguments.items()
        }
        assert given.keys() <= defaults.keys()
        return SimpleNamespace(launch_configurations=defaults | given)


def shown(substitution: Any) -> str:
    """Return a substitution as text: `<FindPackageShare sam3_ros>/config/fastdds.xml`."""
    if isinstance(substitution, list):
        return "/".join(map(shown, substitution))
    if isinstance(substitution, Recorded):
        inner = [shown(each) for each in substitution.args]
        kind = type(substitution).__name__
        return "/".join(inner) if kind == "PathJoinSubstitution" else f"<{kind} {' '.join(inner)}>"
    return str(substitution)
