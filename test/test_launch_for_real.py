"""The launch files, started by launch itself, each on a ROS domain of its own.

The launch packages come with a ROS install, not with the wheels; elsewhere all of this is skipped.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from lifecycle_msgs.srv import GetState
from node_client import PATIENCE, NodeClient
from rcl_interfaces.srv import GetParameters
from ros_domains import own_domain

_REASON = "the launch packages come with a ROS install, not with the wheels"
pytest.importorskip("launch", reason=_REASON)
pytest.importorskip("launch_ros", reason=_REASON)

FOLDER = Path(__file__).parents[1] / "launch"
NODE = "/segmentation_node"
# As `ros2 launch` does it.
SCRIPT = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *given = sys.argv[1:]
source = PythonLaunchDescriptionSource(path)
arguments = [tuple(each.split(":=", 1)) for each in given]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)]))
sys.exit(service.run())
"""


class Launched:
    """A running launch file, its log, and a client of the node."""

    def __init__(self, file: str, given: tuple[str, ...], domain: int, log: Path) -> None:
        environment = {
            **os.environ,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }
        command = [sys.executable, "-c", SCRIPT, str(FOLDER / file), *given]
        self._log = log
        with log.open("w") as output:
            # Its own session, as in a terminal, so that Ctrl-C reaches all processes.
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = NodeClient(domain)

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def processes(self) -> list[int]:
        """Return the process ids of the nodes, in the order of their start."""
        return [int(pid) for pid in re.findall(r"process started with pid \[(\d+)\]", self.log)]

    def ended(self) -> int:
        """Wait until launch ends by itself; return its exit code."""
        return self._process.wait(PATIENCE * 2)

    def stop(self) -> int:
        """Send Ctrl-C, wait until launch ends, and return its exit code."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            return self._process.wait(PATIENCE)
        finally:
            self.client.close()
            for process in (self._process.pid, *self.processes):
                end_group(process)

    def until(self, done: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert self._process.poll() is None, f"launch has ended:\n{self.log}"
            assert time.monotonic() < end, f"no {what} in {PATIENCE:g} s:\n{self.log}"
            time.sleep(0.2)

    def active(self, times: int = 1) -> None:
        """Wait until the log says `times` times that a node is active."""
        # From the log, because a request may still go to the process that was killed.
        active = re.compile(r"\]: active\b")
        self.until(lambda: len(active.findall(self.log)) == times, "active node")

    def parameters(self, *names: str, node: str = NODE) -> list[object]:
        request = GetParameters.Request(names=names)
        values = self.client.call(GetParameters, f"{node}/get_parameters", request).values
        fields = ("bool_value", "integer_value", "double_value", "string_value")
        lists = {9: "string_array_value"}
        return [getattr(value, lists.get(value.type) or fields[value.type - 1]) for value in values]


def end_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextmanager
def launched(tmp_path: Path, file: str, *given: str) -> Iterator[Launched]:
    with own_domain() as domain:
        running = Launched(file, given, domain, tmp_path / "launch.log")
        try:
            yield running
        except BaseException:
            print(running.log)
            raise
        finally:
            code = running.stop()
        assert code == 0, running.log


def test_two_cameras_a_preset_and_arguments_reach_an_active_node(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("robot:\n  ros__parameters:\n    frame_memory: 3\n    max_rate: 3.0\n")
    cameras = "cameras:=front=/front/image_raw left=/left/image_raw"
    given = ("name:=robot", "preset:=jetson_orin", "backend:=cpu", "max_rate:=5", cameras)
    with launched(tmp_path, "segmentation.launch.py", *given, f"params_file:={mine}") as running:
        running.active()
        names = ("backend", "threads", "frame_memory", "max_rate")
        assert running.parameters(*names, node="/robot") == ["cpu", 1, 3, 5.0]
        (named,) = running.parameters("cameras", node="/robot")
        assert list(named) == ["front", "left"]

        node = running.client.node
        running.until(
            lambda: (
                {"/front/image_raw", "/left/image_raw"}
                <= {t for t, _ in node.get_subscriber_names_and_types_by_node("robot", "/")}
            ),
            "subscriptions",
        )


def test_a_lifecycle_manager_may_do_the_rest(tmp_path: Path) -> None:
    given = ("autostart:=false", "namespace:=arm")
    with launched(tmp_path, "segmentation.launch.py", *given) as running:
        request = GetState.Request()
        answer = running.client.call(GetState, f"/arm{NODE}/get_state", request)
        assert answer.current_state.label == "unconfigured"


@pytest.mark.parametrize("wrong", ["backend:=gpu", "preset:=laptop", "threads:=x", "cameras:=a="])
def test_a_wrong_argument_ends_it_before_anything_starts(tmp_path: Path, wrong: str) -> None:
    with own_domain() as domain:
        running = Launched("segmentation.launch.py", (wrong,), domain, tmp_path / "launch.log")
        try:
            assert running.ended() == 1
        finally:
            running.stop()
    assert running.processes == []
    assert re.search(r"jetson_orin|openvino|whole number|expects a topic", running.log)


def test_a_killed_node_comes_back_if_that_was_asked_for(tmp_path: Path) -> None:
    given = ("respawn:=true", "respawn_delay:=0.1")
    with launched(tmp_path, "segmentation.launch.py", *given) as running:
        running.active()
        (first,) = running.processes
        os.kill(first, signal.SIGKILL)
        running.active(times=2)
        assert len(running.processes) == 2


def test_a_build_ends_by_itself(tmp_path: Path) -> None:
    with launched(tmp_path, "segmentation.launch.py", "build_only:=true") as running:
        assert running.ended() == 0
        assert len(running.processes) == 1


def test_a_build_that_fails_fails_the_launch(tmp_path: Path) -> None:
    given = ("build_only:=true", "bundle:=nowhere")
    with own_domain() as domain:
        running = Launched("segmentation.launch.py", given, domain, tmp_path / "launch.log")
        try:
            assert running.ended() == 1
        finally:
            running.stop()
    assert "no bundle 'nowhere'" in running.log


def test_the_demo_plays_the_bag_and_ends(tmp_path: Path) -> None:
    given = ("rviz:=false", "loop:=false", "rate:=2.0")
    with launched(tmp_path, "demo.launch.py", *given) as running:
        running.client.listen("mask")
        masks = running.client.outputs["mask"]
        running.client.spin_until(lambda: masks, "mask", patience=PATIENCE * 2)
        assert masks[0].header.frame_id == "camera_optical_frame"
        assert running.ended() == 0
