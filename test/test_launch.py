"""What launch/segmentation.launch.py declares and would start, and the Fast DDS profile.

test_launch_for_real.py starts it where the launch packages are installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from launch_stand_ins import LaunchFile, shown
from ros_domains import own_domain

from sam3_ros.core.backends import BACKENDS
from sam3_ros.ros.launching import look
from sam3_ros.ros.launching.arguments import LaunchArgumentError
from sam3_ros.ros.launching.dds import PROFILE_VARIABLES
from sam3_ros.ros.parameters.specs import SPECS

ROOT = Path(__file__).parents[1]
FAST_DDS_PROFILE = ROOT / "config" / "fastdds.xml"
PARAMS_FILE = ROOT / "config" / "segmentation.yaml"
FULL_HD_BYTES = 1920 * 1080 * 3

NodeOf = Callable[..., dict[str, Any]]


@pytest.fixture
def launch_file(monkeypatch: pytest.MonkeyPatch) -> LaunchFile:
    return LaunchFile("segmentation.launch.py", monkeypatch)


@pytest.fixture
def arguments(launch_file: LaunchFile) -> dict[str, dict[str, Any]]:
    """Return what each argument is declared with, by name."""
    return launch_file.arguments


@pytest.fixture
def node_of(launch_file: LaunchFile) -> NodeOf:
    """Return a function from arguments to what the node is started with."""

    def build(**given: str) -> dict[str, Any]:
        (node,) = launch_file.module.segmentation_node(launch_file.context(**given))
        return node.kwargs

    return build


def test_every_argument_says_what_it_is(arguments: dict[str, dict[str, Any]]) -> None:
    for name, declared in arguments.items():
        assert declared["description"].endswith("."), name


def test_every_parameter_is_an_argument(arguments: dict[str, dict[str, Any]]) -> None:
    shorter = {"image_transport": "transport", "image_reliability": "reliability"}
    parameters = {shorter.get(spec.name, spec.name) for spec in SPECS}

    assert set(arguments) - parameters == {
        *("image", "preset", "params_file", "namespace", "name", "use_sim_time", "log_level"),
        *("respawn", "respawn_delay", "fastdds_profile", "look", "look_host", "look_port"),
        *("depth_image", "camera_info"),
    }
    assert parameters <= set(arguments)


def test_the_docs_list_the_arguments_that_are_no_parameters(
    arguments: dict[str, dict[str, Any]],
) -> None:
    page = (ROOT / "docs" / "launch.md").read_text(encoding="utf-8")
    table = page.split("<!-- arguments", 1)[1].split("\n\n", 1)[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", table, re.MULTILINE))
    parameters = {spec.name for spec in SPECS} - {"cameras"} | {"transport", "reliability"}
    expected = {
        name: declared["default_value"].replace(f"{ROOT}/", "")
        for name, declared in arguments.items()
        if name not in parameters
    }

    assert listed == expected


def test_the_choices_are_those_of_the_core_and_the_node(
    arguments: dict[str, dict[str, Any]],
) -> None:
    choices_of = {spec.name: spec.choices for spec in SPECS}
    assert arguments["backend"]["choices"] == ["", *BACKENDS]
    assert arguments["transport"]["choices"] == ["", *choices_of["image_transport"]]
    assert arguments["bundle"]["choices"] is None


def test_every_default_is_among_its_choices(arguments: dict[str, dict[str, Any]]) -> None:
    for name, declared in arguments.items():
        if declared.get("choices"):
            assert declared["default_value"] in declared["choices"], name


def test_the_presets_to_choose_from_are_those_that_are_shipped(
    arguments: dict[str, dict[str, Any]],
) -> None:
    files = sorted(path.stem for path in (ROOT / "config" / "presets").iterdir())

    assert arguments["preset"]["choices"] == ["", *files]


def test_without_arguments_the_nodes_own_defaults_decide(node_of: NodeOf) -> None:
    node = node_of()

    assert node["parameters"] == [{}]
    assert node["respawn"] is False
    assert node["on_exit"] is None


def test_arguments_win_over_the_params_file_and_that_over_the_preset(
    node_of: NodeOf, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.touch()
    node = node_of(
        bundle="/models/mine",
        transport="compressed",
        prompts=" red cube;; ball ",
        use_sim_time="true",
        preset="jetson_orin",
        params_file=str(mine),
    )

    preset, params_file, given = node["parameters"]
    assert preset == str(ROOT / "config" / "presets" / "jetson_orin.yaml")
    assert params_file == str(mine)
    assert given == {
        "bundle": "/models/mine",
        "image_transport": "compressed",
        "prompts": ["red cube", "ball"],
        "use_sim_time": True,
    }


def test_images_come_from_the_topic_that_was_asked_for(node_of: NodeOf) -> None:
    assert node_of()["remappings"] == [
        ("image", "/camera/image_raw"),
        ("image/compressed", "/camera/image_raw/compressed"),
    ]
    assert dict(node_of(image="/eye")["remappings"])["image"] == "/eye"


def test_several_cameras_are_named_to_the_node_and_remapped(node_of: NodeOf) -> None:
    node = node_of(cameras="front=/front/image_raw left=/left/image_raw")

    assert node["parameters"] == [{"cameras": ["front", "left"]}]
    assert node["remappings"] == [
        ("front/image", "/front/image_raw"),
        ("front/image/compressed", "/front/image_raw/compressed"),
        ("left/image", "/left/image_raw"),
        ("left/image/compressed", "/left/image_raw/compressed"),
    ]


def test_name_namespace_and_log_level_reach_the_node(node_of: NodeOf) -> None:
    node = node_of()

    assert shown(node["name"]) == "<LaunchConfiguration name>"
    assert shown(node["namespace"]) == "<LaunchConfiguration namespace>"
    assert list(map(shown, node["ros_arguments"])) == [
        "--log-level",
        "<LaunchConfiguration log_level>",
    ]


def test_a_node_that_ended_is_started_again_if_that_was_asked_for(node_of: NodeOf) -> None:
    node = node_of(respawn="true", respawn_delay="0.5")

    assert (node["respawn"], node["respawn_delay"]) == (True, 0.5)


def test_a_build_that_fails_fails_the_launch(node_of: NodeOf) -> None:
    class Exited:
        returncode = 0

    ended = node_of(build_only="true")["on_exit"]
    assert ended(Exited, None) is None

    Exited.returncode = 1
    with pytest.raises(RuntimeError, match="the build failed"):
        ended(Exited, None)


def test_a_build_is_not_started_again(node_of: NodeOf, tmp_path: Path) -> None:
    with pytest.raises(LaunchArgumentError, match="give one of them"):
        node_of(build_only="true", respawn="true")

    builds = tmp_path / "builds.yaml"
    builds.write_text("/arm:\n  node:\n    ros__parameters: {build_only: true}\n")
    with pytest.raises(LaunchArgumentError, match="give one of them"):
        node_of(params_file=str(builds), respawn="true")
    assert node_of(params_file=str(builds), respawn="true", build_only="false")["respawn"]

    builds.write_text("[" * 100_000)
    with pytest.raises(LaunchArgumentError, match=r"not plain YAML: .*nesting|levels"):
        node_of(params_file=str(builds), respawn="true")


def test_the_page_is_served_beside_the_node(launch_file: LaunchFile) -> None:
    given = {"look": "true", "look_host": "0.0.0.0", "namespace": "arm", "name": "eye"}
    context = launch_file.context(**given, preset="jetson_orin", max_rate="5")

    node, page = launch_file.module.segmentation_node(context)

    command = page.kwargs["cmd"]
    at = command.index("look")
    assert command[at - 1] == "sam3_ros.cli.main"
    assert command[at + 1 :] == ["--node", "/arm/eye", "--host", "0.0.0.0", "--port", "8383"]
    assert page.kwargs["output"] == "screen"  # and into no log
    assert page.kwargs["additional_env"] == node.kwargs["additional_env"]
    # A preset's own memory wins over the page's wish.
    assert node.kwargs["parameters"][0] == {"frame_memory": 30}
    assert node.kwargs["parameters"][-1] == {"max_rate": 5.0}
    (shutdown,) = node.kwargs["on_exit"]
    assert "has ended" in shutdown.kwargs["reason"]


def test_a_node_that_starts_again_keeps_its_page(launch_file: LaunchFile) -> None:
    context = launch_file.context(look="true", respawn="true")

    node, _ = launch_file.module.segmentation_node(context)

    assert node.kwargs["on_exit"] is None


def test_the_page_without_its_library_is_refused(
    launch_file: LaunchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "find_spec", lambda _: None)
    with pytest.raises(LaunchArgumentError, match="pip install"):
        launch_file.module.segmentation_node(launch_file.context(look="true"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"look": "true", "look_port": "70000"}, "'look_port' expects a port up to 65535"),
        ({"look": "true", "look_port": "x"}, "'look_port' expects a port"),
        ({"look": "true", "look_host": " "}, "'look_host' expects an address"),
        ({"look": "true", "look_host": "--view-only"}, "'look_host' expects an address"),
        ({"look": "true", "name": "a b"}, "'name' is letters"),
        ({"look": "true", "build_only": "true"}, "leave look away"),
        ({"threads": "four"}, "'threads' expects a whole number; got 'four'"),
        ({"threads": "300"}, "'threads' lies in 0..256; got 300"),
        ({"max_rate": "fast"}, "'max_rate' expects a number; got 'fast'"),
        ({"max_rate": "nan"}, "'max_rate' lies in 0..1000; got nan"),
        ({"tracking": "yes"}, "'tracking' is true or false; got 'yes'"),
        ({"outputs": "mask, musk"}, "'outputs' is some of mask, .*; got 'musk'"),
        ({"prompts": "x" * 1001}, "'prompts': .*1000"),
        ({"prompts": "mug; {point: [3, 4]}"}, "goes into the file that params_file names"),
        ({"respawn_delay": "-1"}, "'respawn_delay' expects seconds; got '-1'"),
        ({"params_file": "nowhere.yaml"}, "there is no file nowhere.yaml"),
        ({"cameras": "front= left=/left"}, "'cameras' expects a topic such as"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_starts(
    node_of: NodeOf, given: dict[str, str], reason: str
) -> None:
    with pytest.raises(Exception, match=reason):
        node_of(**given)


def test_the_profile_is_in_the_variable_that_the_distribution_reads(
    node_of: NodeOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")

    environment = node_of(fastdds_profile="/etc/fastdds.xml")["additional_env"]

    assert environment == {"FASTRTPS_DEFAULT_PROFILES_FILE": "/etc/fastdds.xml"}


def test_no_profile_is_named_where_none_is_wanted(node_of: NodeOf) -> None:
    environment = node_of(fastdds_profile="")["additional_env"]
    assert environment == {"FASTDDS_BUILTIN_TRANSPORTS": "DEFAULT"}  # or the node would name ours


@pytest.mark.parametrize("variable", PROFILE_VARIABLES)
def test_a_profile_that_the_user_has_stays_the_default(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    shipped = LaunchFile("segmentation.launch.py", monkeypatch).arguments["fastdds_profile"]
    monkeypatch.setenv(variable, "/mine.xml")
    mine = LaunchFile("segmentation.launch.py", monkeypatch).arguments["fastdds_profile"]

    assert shipped["default_value"] == str(FAST_DDS_PROFILE)
    assert mine["default_value"] == "/mine.xml"


def test_the_params_file_is_for_any_name_of_the_node() -> None:
    assert set(yaml.safe_load(PARAMS_FILE.read_text(encoding="utf-8"))) == {"/**"}


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
