"""A workspace with the messages of vision_msgs that the node uses, built as a user's is.

The names, types and order of the fields are those of ros-perception/vision_msgs 4.1, which Humble
to Kilted have; the text is written here.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MESSAGES = {
    "Point2D": "float64 x\nfloat64 y\n",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "ObjectHypothesis": "string class_id\nfloat64 score\n",
    "ObjectHypothesisWithPose": (
        "ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "Detection2D": (
        "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\n"
        "string id\n"
    ),
    "Detection2DArray": "std_msgs/Header header\nDetection2D[] detections\n",
    "BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n",
    "Detection3D": (
        "std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox3D bbox\n"
        "string id\n"
    ),
    "Detection3DArray": "std_msgs/Header header\nDetection3D[] detections\n",
    "VisionClass": "uint16 class_id\nstring class_name\n",
    "LabelInfo": (
        "std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n"
    ),
}
_PACKAGE = """<?xml version="1.0"?>
<package format="3">
  <name>vision_msgs</name>
  <version>0.0.0</version>
  <description>Messages of vision_msgs for a test</description>
  <maintainer email="maintainers@sam3-ros.example">sam3_ros maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>geometry_msgs</depend>
  <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""
# The loop is explained in the CMakeLists.txt of this repository.
_CMAKE = """cmake_minimum_required(VERSION 3.22)
project(vision_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
get_directory_property(imported_targets IMPORTED_TARGETS)
foreach(target IN LISTS imported_targets)
  get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
  if(folders)
    list(FILTER folders EXCLUDE REGEX "^/opt/python/")
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${folders}")
  endif()
endforeach()
rosidl_generate_interfaces(${PROJECT_NAME}
  MESSAGES
  DEPENDENCIES geometry_msgs std_msgs
)
ament_package()
"""


@dataclass(frozen=True)
class Workspace:
    """A workspace that was built."""

    #: The folder it is installed in.
    install: Path

    @property
    def python(self) -> Path:
        """Return the folder of its Python packages."""
        (folder,) = self.install.glob("l*/python3*/*-packages")
        return folder

    def environment(self) -> dict[str, str]:
        """Return the variables that sourcing it sets, its paths in front of the present ones."""
        added = {
            "AMENT_PREFIX_PATH": self.install,
            "PYTHONPATH": self.python,
            "LD_LIBRARY_PATH": self.install / "lib",
        }
        return {
            name: os.pathsep.join([str(path), *filter(None, [os.environ.get(name)])])
            for name, path in added.items()
        }

    @contextmanager
    def sourced(self) -> Iterator[None]:
        """Source it in the block, for this process and those that it starts."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment().items():
                patch.setenv(name, value)
            patch.syspath_prepend(str(self.python))
            self._load_libraries()
            yield
        for name in [each for each in sys.modules if each.split(".")[0] == "vision_msgs"]:
            del sys.modules[name]

    def _load_libraries(self) -> None:
        # The loader of a process reads LD_LIBRARY_PATH when it starts, and never again.
        waiting = sorted((self.install / "lib").glob("lib*.so"))
        while waiting:
            missing = [path for path in waiting if not _loads(path)]
            assert len(missing) < len(waiting), f"none of them can be loaded: {missing}"
            waiting = missing  # those that need others of them


def _loads(path: Path) -> bool:
    try:
        ctypes.CDLL(str(path))
    except OSError:
        return False
    return True


def build_vision_msgs(folder: Path) -> Workspace:
    """Generate and compile the messages in `folder`, in half a minute.

    Raises AssertionError with the output of cmake if that fails.
    """
    source, build, install = folder / "vision_msgs", folder / "build", folder / "install"
    (source / "msg").mkdir(parents=True)
    for name, text in MESSAGES.items():
        (source / "msg" / f"{name}.msg").write_text(text)
    files = "\n".join(f'  "msg/{name}.msg"' for name in MESSAGES)
    (source / "package.xml").write_text(_PACKAGE)
    (source / "CMakeLists.txt").write_text(_CMAKE.replace("  MESSAGES", files))
    prefixes = os.environ.get("AMENT_PREFIX_PATH", sys.prefix).replace(os.pathsep, ";")
    _run(
        *("cmake", "-S", source, "-B", build),
        *(("-G", "Ninja") if shutil.which("ninja", path=_path()) else ()),
        f"-DCMAKE_PREFIX_PATH={prefixes}",
        f"-DCMAKE_INSTALL_PREFIX={install}",
        f"-DPython3_EXECUTABLE={sys.executable}",
        "-DBUILD_TESTING=OFF",
    )
    _run("cmake", "--build", build, "--target", "install")
    return Workspace(install)


def _path() -> str:
    return f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"


def _run(*command: str | Path) -> None:
    environment = {**os.environ, "PATH": _path()}
    if "AMENT_PREFIX_PATH" not in environment:  # the wheels, which find themselves
        environment["AMENT_PREFIX_PATH"] = sys.prefix
        for name in ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
            environment.pop(name, None)
    done = subprocess.run(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
