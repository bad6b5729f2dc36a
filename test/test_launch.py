"""The launch file and the Fast DDS profile.

The launch packages come with a ROS install, not with the wheels, so what the file declares is
recorded by stand-ins; with a ROS install the last test starts it for real.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from ros_domains import own_domain

from sam3_ros.core.backends.providers import PROVIDERS

ROOT = Path(__file__).parents[1]
LAUNCH_FILE = ROOT / "launch" / "segmentation.launch.py"
FAST_DDS_PROFILE = ROOT / "config" / "fastdds.xml"
PARAMS_FILE = ROOT / "config" / "segmentation.yaml"
FULL_HD_BYTES = 1920 * 1080 * 3

RECORDED = {
    "launch": ["LaunchContext", "LaunchDescription"],
    "launch.actions": ["DeclareLaunchArgument", "OpaqueFunction"],
    "launch.substitutions": [
        *("EnvironmentVariable", "LaunchConfiguration", "PathJoinSubstitution"),
    ],
    "launch_ros": [],
    "launch_ros.actions": ["Node"],
    "launch_ros.substitutions": ["FindPackageShare"],
}


class Recorded:
    """Keeps what it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, classes in RECORDED.items():
        module = ModuleType(name)
        vars(module).update({each: type(each, (Recorded,), {}) for each in classes})
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("segmentation_launch", LAUNCH_FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(launch_file: ModuleType) -> dict[str, dict[str, Any]]:
    """Name of an argument -> what it is declared with."""
    (actions,) = launch_file.generate_launch_description().args
    return {action.args[0]: action.kwargs for action in actions if action.args}


@pytest.fixture
def node_of(
    launch_file: ModuleType, arguments: dict[str, dict[str, Any]]
) -> Callable[..., dict[str, Any]]:
    """Builds what the node is started with, given some arguments."""

    def build(**given: str) -> dict[str, Any]:
        defaults = {name: str(declared["default_value"]) for name, declared in arguments.items()}
        assert given.keys() <= defaults.keys()
        context = SimpleNamespace(launch_configurations=defaults | given)
        (node,) = launch_file.segmentation_node(context)
        return node.kwargs

    return build


def test_every_argument_says_what_it_is(arguments: dict[str, dict[str, Any]]) -> None:
    assert set(arguments) == {
        *("bundle", "backend", "precision", "image", "transport", "prompts"),
        *("params_file", "namespace", "fastdds_profile"),
    }
    for name, declared in arguments.items():
        assert declared["description"].endswith("."), name


def test_the_choices_are_those_of_the_core_and_the_node(
    arguments: dict[str, dict[str, Any]],
) -> None:
    from sam3_ros.ros.parameters import SPECS

    choices_of = {spec.name: spec.choices for spec in SPECS}
    assert arguments["backend"]["choices"] == ["", *PROVIDERS]
    assert arguments["transport"]["choices"] == ["", *choices_of["image_transport"]]


def test_an_argument_sets_a_parameter_that_the_node_has(launch_file: ModuleType) -> None:
    from sam3_ros.ros.parameters import DEFAULTS

    assert {*launch_file.PARAMETER_OF_ARGUMENT.values(), "prompts"} <= set(DEFAULTS)


def test_without_arguments_the_params_file_decides(
    node_of: Callable[..., dict[str, Any]],
) -> None:
    params_file, overrides = node_of()["parameters"]

    assert params_file.args == ("params_file",)
    assert overrides == {}


def test_arguments_override_the_params_file(node_of: Callable[..., dict[str, Any]]) -> None:
    node = node_of(bundle="/models/mine", transport="compressed", prompts=" red cube;; ball ")

    assert node["parameters"][1] == {
        "bundle": "/models/mine",
        "image_transport": "compressed",
        "prompts": ["red cube", "ball"],
    }


def test_images_come_from_the_topic_that_was_asked_for(
    node_of: Callable[..., dict[str, Any]],
) -> None:
    remappings = dict(node_of()["remappings"])

    assert remappings["image"].args == ("image",)
    raw, suffix = remappings["image/compressed"]
    assert (raw.args, suffix) == (("image",), "/compressed")


def test_the_profile_goes_by_the_names_of_both_distributions(
    node_of: Callable[..., dict[str, Any]],
) -> None:
    from sam3_ros.ros.dds_environment import PROFILE_VARIABLES

    environment = node_of(fastdds_profile="/etc/fastdds.xml")["additional_env"]

    assert environment == dict.fromkeys(PROFILE_VARIABLES, "/etc/fastdds.xml")


def test_no_profile_is_named_where_none_is_wanted(node_of: Callable[..., dict[str, Any]]) -> None:
    assert node_of(fastdds_profile="")["additional_env"] == {}


def test_a_profile_that_the_user_has_stays_the_default(
    arguments: dict[str, dict[str, Any]],
) -> None:
    default = arguments["fastdds_profile"]["default_value"]

    assert default.args == ("FASTDDS_DEFAULT_PROFILES_FILE",)
    shipped = default.kwargs["default_value"].args[0]
    assert (shipped[0].args, *shipped[1:]) == (("sam3_ros",), "config", "fastdds.xml")


def test_the_params_file_is_for_the_node_that_is_started(
    node_of: Callable[..., dict[str, Any]],
) -> None:
    named = set(yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8")))

    assert named & {"/**", node_of()["name"]}


def test_a_full_hd_image_fits_into_the_shared_memory() -> None:
    profile = ET.parse(FAST_DDS_PROFILE).getroot()

    sizes = [int(str(e.text)) for e in profile.iter("{http://www.eprosima.com}segment_size")]
    assert sizes == [64 * 1024 * 1024]
    assert sizes[0] > 4 * FULL_HD_BYTES


PUBLISHER = f"""
import array, time
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "image", qos_profile_sensor_data)
image = Image(height=1080, width=1920, encoding="bgr8", step=5760)
image.data = array.array("B", bytes({FULL_HD_BYTES}))
while True:
    publisher.publish(image)
    time.sleep(0.1)
"""
SUBSCRIBER = """
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("viewer")
received = []
node.create_subscription(Image, "image", received.append, qos_profile_sensor_data)
while len(received) < 5:
    rclpy.spin_once(node, timeout_sec=1.0)
assert all(len(image.data) == image.step * image.height for image in received)
node.destroy_node()
rclpy.shutdown()
"""


@pytest.fixture
def domain() -> Iterator[str]:
    with own_domain() as number:
        yield str(number)


def test_full_hd_images_arrive_with_the_profile(domain: str) -> None:
    environment = os.environ | {
        "ROS_DOMAIN_ID": domain,
        "FASTDDS_DEFAULT_PROFILES_FILE": str(FAST_DDS_PROFILE),
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(FAST_DDS_PROFILE),
    }
    camera = subprocess.Popen([sys.executable, "-c", PUBLISHER], env=environment)
    try:
        viewer = [sys.executable, "-c", SUBSCRIBER]
        subprocess.run(viewer, env=environment, check=True, timeout=120)
    finally:
        camera.kill()
        camera.wait()


def test_ros2_launch_brings_the_node_up(domain: str) -> None:
    reason = "the launch packages come with a ROS install, not with the wheels"
    pytest.importorskip("launch", reason=reason)
    pytest.importorskip("launch_ros", reason=reason)
    script = f"""
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
source = PythonLaunchDescriptionSource({str(LAUNCH_FILE)!r})
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(source, launch_arguments=[("namespace", "launched")])]))
sys.exit(service.run())
"""
    environment = os.environ | {"ROS_DOMAIN_ID": domain}
    launched = subprocess.Popen([sys.executable, "-c", script], env=environment)
    try:
        assert "/launched/segmentation_node" in node_names_until_found(environment, launched)
    finally:
        launched.send_signal(signal.SIGINT)
        assert launched.wait(timeout=60) == 0


def node_names_until_found(environment: dict[str, str], process: subprocess.Popen[bytes]) -> str:
    script = """
import rclpy, time
rclpy.init()
node = rclpy.create_node("observer")
time.sleep(2)
print([f"{namespace}/{name}" for name, namespace in node.get_node_names_and_namespaces()])
"""
    for _ in range(15):
        assert process.poll() is None, "launch ended by itself"
        command = [sys.executable, "-c", script]
        shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        if "segmentation_node" in shown.stdout:
            return shown.stdout
        time.sleep(1)
    return ""
