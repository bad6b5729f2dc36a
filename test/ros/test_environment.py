"""What the environment asks for that ROS would end at, or misread, without a plain word."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from node_under_test import THE_NODE

from sam3_ros.ros.environment import RosEnvironmentError, check_ros_environment, explained
from sam3_ros.ros.health.network import has_network

_SOUND = {"HOME": "/tmp"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RCUTILS_LOGGING_USE_STDOUT": "7"}, "expected 0 or 1, got RCUTILS_LOGGING_USE_STDOUT=7"),
        ({"RCUTILS_COLORIZED_OUTPUT": "yes"}, "RCUTILS_COLORIZED_OUTPUT=yes"),
        (
            {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"},
            "got no ROS_SECURITY_KEYSTORE",
        ),
        (
            {
                "ROS_SECURITY_ENABLE": "true",
                "ROS_SECURITY_STRATEGY": "Enforce",
                "ROS_SECURITY_KEYSTORE": "/absent",
            },
            "got ROS_SECURITY_KEYSTORE=/absent",
        ),
    ],
)
def test_a_variable_that_ros_fails_at_is_refused(variables, said):
    check_ros_environment(_SOUND)
    with pytest.raises(RosEnvironmentError, match=said):
        check_ros_environment({**_SOUND, **variables})


def test_a_full_shared_memory_is_refused(monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=3, f_frsize=4096))
    with pytest.raises(RosEnvironmentError, match="/dev/shm is full"):
        check_ros_environment(_SOUND)


def test_parameters_that_ros_cannot_read_are_told_without_its_source_lines():
    error = RuntimeError(
        "failed to initialize rcl: Couldn't parse params file: '--params-file a b.yaml'. Error: "
        "Error parsing a event near line 3, at /src/parse.c:776, at /src/rcl/arguments.c:415"
    )
    assert explained(error).startswith(
        "ROS cannot read the parameters in a b.yaml: Error parsing a event near line 3; expected"
    )


def test_this_machine_has_a_network():
    assert has_network()


def ended_node(*arguments: bytes | str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *THE_NODE, "--ros-args", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        (["-p", b"prompts:=['caf\xe9']"], {}, "expected arguments in UTF-8"),
        ([], {"RMW_IMPLEMENTATION": "rmw_of_nobody"}, "RMW_IMPLEMENTATION=rmw_of_nobody"),
        ([], {"ROS_LOG_DIR": "/proc/1/absent"}, "ROS has no folder for its log"),
        (["--params-file", "/dev/null/a.yaml"], {}, "/dev/null/a.yaml"),
    ],
)
def test_a_node_that_cannot_start_says_why_in_one_last_line(arguments, variables, said):
    ended = ended_node(*arguments, **variables)
    assert ended.returncode == 2, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("the node cannot start: ")
    assert said in last


def test_letters_arrive_in_a_locale_without_them():
    """They are letters, not the two bytes each of UTF-8: the refusal counts them."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    prompts = "prompts:=['" + "é" * 1001 + "']"
    ended = ended_node("-p", prompts, "-p", "build_only:=true", **ascii_only)
    assert ended.returncode == 1
    assert "at most 1000 characters, got 1001" in ended.stderr
