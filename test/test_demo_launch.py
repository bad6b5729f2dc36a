"""What launch/demo.launch.py declares and would start."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from launch_stand_ins import LaunchFile, Recorded, shown

from sam3_ros.core.own_program import own_command
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.ros.launching import demo_player
from sam3_ros.ros.launching.arguments import LaunchArgumentError
from sam3_ros.ros.launching.demo_player import TOPICS
from sam3_ros.ros.launching.shared_files import demo_bag

ROOT = Path(__file__).parents[1]


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> LaunchFile:
    return LaunchFile("demo.launch.py", monkeypatch)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return the set of ROS packages that count as installed; empty at first."""
    names: set[str] = set()
    monkeypatch.setattr(demo_player, "has_package", names.__contains__)
    return names


def started(demo: LaunchFile, **given: str) -> dict[str, dict[str, Any]]:
    """Return the arguments that each process is started with, by kind of action."""
    context = demo.context(**given)
    assert demo.module.check(context) == []
    processes = [*demo.module.player(context), *demo.module.rviz(context)]
    return {type(each).__name__: each.kwargs for each in processes}


def test_every_argument_says_what_it_is(demo: LaunchFile) -> None:
    for name, declared in demo.arguments.items():
        assert declared["description"].endswith("."), name
        if "choices" in declared:
            assert declared["default_value"] in declared["choices"], name


def test_the_arguments_of_the_node_are_those_of_its_launch_file(
    demo: LaunchFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_node = LaunchFile("segmentation.launch.py", monkeypatch).arguments
    own = {"rviz", "player", "rate", "loop"}

    assert own & of_the_node.keys() == set()
    assert demo.arguments.keys() - own <= of_the_node.keys()
    for name in demo.arguments.keys() - own:
        choices = set(demo.arguments[name].get("choices", ()))
        assert choices <= set(of_the_node[name].get("choices") or ()), name


def test_nothing_starts_before_all_has_been_checked(demo: LaunchFile) -> None:
    (actions,) = demo.module.generate_launch_description().args
    kinds = [type(each).__name__ for each in actions]
    functions = [each.kwargs["function"].__name__ for each in actions if not each.args]

    assert functions == ["check", "player", "rviz"]
    included = kinds.index("IncludeLaunchDescription")
    assert kinds[included - 1 :] == ["OpaqueFunction", kinds[included], *["OpaqueFunction"] * 2]


def test_the_node_listens_to_what_the_bag_has(demo: LaunchFile) -> None:
    (actions,) = demo.module.generate_launch_description().args
    (included,) = (each for each in actions if type(each).__name__ == "IncludeLaunchDescription")
    (source,) = included.args

    assert isinstance(source, Recorded)
    assert shown(source.args[0]) == str(ROOT / "launch" / "segmentation.launch.py")
    topics = dict(included.kwargs["launch_arguments"])
    assert topics == {
        "image": "/camera/image",
        "transport": "compressed",
        "depth_image": "/camera/depth/image_raw",
    }
    with open_bag(demo_bag()) as bag:
        assert set(TOPICS) <= set(bag.topics)


def test_the_launch_files_do_without_rosbags() -> None:
    # A ROS install has `ros2 bag` instead.
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "launch").glob("*.py")]
    ours = {name for text in sources for name in re.findall(r"^from (sam3_ros\S*)", text, re.M)}
    script = f"import sys; sys.modules['rosbags'] = None; import {', '.join(sorted(ours))}"

    assert len(ours) >= 4
    subprocess.run([sys.executable, "-c", script], check=True)


def test_ros2_plays_the_bag_where_it_can(demo: LaunchFile, installed: set[str]) -> None:
    installed |= {"rviz2", "ros2bag", "rosbag2_storage_mcap"}

    command = started(demo, rate="0.5")["ExecuteProcess"]["cmd"]

    assert command[:6] == ["ros2", "bag", "play", str(demo_bag()), "--rate", "0.5"]
    assert command[6:] == ["--loop", "--topics", *TOPICS]
    assert "--loop" not in started(demo, loop="false")["ExecuteProcess"]["cmd"]


def test_our_own_replay_plays_it_elsewhere(demo: LaunchFile, installed: set[str]) -> None:
    installed.add("ros2bag")  # but nothing that reads mcap

    started_once = started(demo, rviz="false", loop="false", namespace="/arm/")
    command = started_once["ExecuteProcess"]["cmd"]

    own = own_command("sam3_ros.cli.main")
    assert command[: len(own) + 2] == [*own, "replay", str(demo_bag())]
    assert command[len(own) + 2 :] == [
        *("--no-node", "--image-topic", "/camera/image/compressed"),
        *("--depth", "/camera/depth/image_raw"),
        *("--node", "/arm/segmentation_node"),
        *("--rate", "1.0", "--loop", "1"),
    ]
    assert "--depth" not in started(demo, rviz="false", depth="false")["ExecuteProcess"]["cmd"]


def test_all_ends_with_a_bag_that_is_played_once(demo: LaunchFile, installed: set[str]) -> None:
    installed.add("rviz2")
    again = started(demo)["ExecuteProcess"]["on_exit"]
    (ends,) = started(demo, loop="false")["ExecuteProcess"]["on_exit"]

    assert again == []
    assert type(ends).__name__ == "Shutdown"


def test_rviz_shows_our_layout_unless_it_is_left_out(demo: LaunchFile, installed: set[str]) -> None:
    installed.add("rviz2")

    arguments = started(demo)["Node"]["arguments"]

    assert arguments == ["-d", str(ROOT / "config" / "segmentation.rviz")]
    assert "Node" not in started(demo, rviz="false")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "apt install ros-\\$ROS_DISTRO-rviz2, or rviz:=false"),
        ({"rviz": "false", "player": "ros2"}, "ros2bag is not installed"),
        ({"rviz": "false", "rate": "0"}, "'rate' expects a number above 0; got '0'"),
        ({"rviz": "false", "rate": "fast"}, "'rate' expects a number above 0; got 'fast'"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_what_is_missing_or_wrong_is_refused_before_anything_starts(
    demo: LaunchFile, given: dict[str, str], reason: str
) -> None:
    with pytest.raises(LaunchArgumentError, match=reason):
        demo.module.check(demo.context(**given))
