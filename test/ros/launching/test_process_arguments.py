"""The node's command line from the launch arguments, where launch is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from launch_stand_ins import LaunchFile

from sam3_ros.ros.launching.process_arguments import node_command, process_arguments
from sam3_ros.ros.parameters.specs import ParameterError

DEPTH = {"depth_image": "/eye/depth/image_raw"}


def test_they_are_those_that_the_launch_file_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = LaunchFile("segmentation.launch.py", monkeypatch).arguments

    for argument in process_arguments(os.environ):
        assert declared[argument.name]["default_value"] == argument.default
        assert declared[argument.name]["choices"] == (list(argument.choices) or None)


def test_a_node_gets_its_name_topics_and_parameters(tmp_path: Path) -> None:
    command = node_command(
        {
            "image": "/eye/image_raw",
            "name": "eyes",
            "namespace": "robot",
            "prompts": "red cube; café",
            "max_rate": "5",
            "preset": "desktop_cpu",
            "use_sim_time": "true",
        }
    )
    arguments = command.arguments(tmp_path)

    assert command.full_name == "/robot/eyes"
    for expected in ("__node:=eyes", "__ns:=/robot", "image:=/eye/image_raw"):
        assert arguments[arguments.index(expected) - 1] == "-r"
    preset, own = (
        Path(arguments[n + 1]) for n, word in enumerate(arguments) if word == "--params-file"
    )
    assert preset.name == "desktop_cpu.yaml"
    assert yaml.safe_load(own.read_text(encoding="utf-8")) == {
        "/robot/eyes": {
            "ros__parameters": {
                "use_sim_time": True,
                "prompts": ["red cube", "café"],
                "max_rate": 5.0,
            }
        }
    }


@pytest.mark.parametrize(
    ("given", "expected"), [({}, None), (DEPTH, True), ({**DEPTH, "depth": "false"}, False)]
)
def test_whoever_names_depth_has_it(given: dict[str, str], expected: bool | None) -> None:
    assert node_command(given).parameters.get("depth") is expected


def test_several_cameras_have_their_topics(tmp_path: Path) -> None:
    command = node_command({"cameras": "front=/f/image left"})

    assert command.parameters == {"cameras": ["front", "left"]}
    assert "front/image:=/f/image" in command.arguments(tmp_path)


def test_an_argument_wins_over_a_file_that_names_the_node(tmp_path: Path) -> None:
    """Held against rclpy itself, whose order of rules is not that of the command line."""
    mine = tmp_path / "mine.yaml"
    rules = {
        name: {"ros__parameters": {"max_rate": rate, "frame_memory": 3}}
        for name, rate in (("/**", 1.0), ("segmentation_node", 2.0))
    }
    mine.write_text(yaml.safe_dump(rules), encoding="utf-8")
    command = node_command({"params_file": str(mine), "max_rate": "9"})
    script = """
import json, sys, rclpy
from rclpy.node import Node
rclpy.init(args=sys.argv)
node = Node("any", automatically_declare_parameters_from_overrides=True)
print(json.dumps([node.get_parameter(name).value for name in ("max_rate", "frame_memory")]))
"""
    process = [sys.executable, "-c", script, *command.arguments(tmp_path)]
    shown = subprocess.run(process, check=True, capture_output=True, text=True)
    assert json.loads(shown.stdout) == [9.0, 3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"nmae": "x"}, "no argument 'nmae'"),
        ({"sticky_clicks": "true"}, "'sticky_clicks' any more: set tracking"),
        ({"respawn": "true"}, "no argument 'respawn'"),
        ({"preset": "laptop"}, "one of desktop_cpu"),
        ({"backend": "gpu"}, "'gpu'"),
        ({"max_rate": "fast"}, "expects a number"),
        ({"image": "camera image"}, "expects a topic"),
        ({"params_file": "/missing.yaml"}, "no file"),
        ({"name": "my node"}, "my node"),
        ({"namespace": "a b"}, "a b"),
        ({"log_level": "loud"}, "loud"),
        ({"fastdds_profile": "/missing.xml"}, "no file /missing.xml"),
    ],
)
def test_a_wrong_argument_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        node_command(given)
