"""The page of exit codes, held to what the commands do."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from node_under_test import ENVIRONMENT
from ros_domains import own_domain

from sam3_ros.cli import main as command
from sam3_ros.cli.main import COMMANDS, main
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.exit_codes import ExitCode

PAGE = (Path(__file__).parents[2] / "docs" / "exit_codes.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^\| `?(\(none\)|\w+)`? \|.*\| `sam3-ros (.*)` \|$", PAGE, re.M))
SAM3_ROS = (sys.executable, "-m", "sam3_ros.cli.main")


def ended(arguments: list[str]) -> int:
    """Return the exit code of a command in this process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_the_page_has_every_code_and_every_command():
    codes = [int(code) for code in re.findall(r"^\| (\d+) \| ", PAGE.split("## By")[0], re.M)]
    assert codes == sorted(ExitCode)
    assert set(EXAMPLES) == {*COMMANDS, "(none)"}


@pytest.mark.parametrize("name", [*COMMANDS, "(none)"])
def test_each_command_refuses_in_its_last_line(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "unused.xml")
    assert ended(shlex.split(EXAMPLES[name])) == ExitCode.REFUSED
    output = capsys.readouterr()
    last = output.err.splitlines()[-1]
    assert re.match(r"sam3-ros[a-z ]*: error: .", last), last
    assert "Traceback" not in output.err


def test_what_is_done_ends_with_0(capsys):
    assert ended(["--version"]) == ExitCode.OK
    assert ended(["bundle", "list"]) == ExitCode.OK
    assert capsys.readouterr().err == ""


class OfRosError(Exception):
    """Looks like rclpy's own."""


OfRosError.__module__ = "rclpy.exceptions"


@pytest.mark.parametrize(
    ("error", "code", "last"),
    [
        (Sam3RosError("two\nlines"), 2, "sam3-ros: error: two lines"),
        (FileNotFoundError(2, "No such file", "a.jpg"), 2, "cannot use a.jpg: No such file"),
        (OfRosError("Invalid topic name"), 2, "sam3-ros: error: Invalid topic name"),
        (ZeroDivisionError("division"), 70, "a fault in sam3_ros"),
        (KeyboardInterrupt(), 130, None),
        (BrokenPipeError(), 141, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_ends_with_the_code_of_its_kind(error, code, last, monkeypatch, capfd):
    def raise_it(_: object) -> None:
        raise error

    monkeypatch.setattr(command, "_run", raise_it)
    monkeypatch.setattr(command.os, "dup2", lambda *_: None)  # the output of the tests
    assert main(["bundle"]) == code
    told = capfd.readouterr().err
    assert last in told if last else told == ""
    assert ("Traceback" in told) == (code == 70)


def test_a_reader_that_has_gone():
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run([*SAM3_ROS, "bundle", "list"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (process.returncode, process.stderr) == (ExitCode.PIPE_CLOSED, b"")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_stream_that_the_shell_has_closed(closed):
    command_line = f"{shlex.join(SAM3_ROS)} replay absent --text cube {closed}"
    done = subprocess.run(command_line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.REFUSED
    assert done.stdout == ""
    assert ("there is no bag absent" in done.stderr) == ("2>" not in closed)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_ends_a_command(number, code):
    with own_domain() as domain:
        process = subprocess.Popen(
            [*SAM3_ROS, "topic", "echo", "/nobody", "--patience", "60"],
            env={**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)},
            stderr=subprocess.PIPE,
        )
        # It waits for a publisher once it has threads of DDS.
        tasks = Path(f"/proc/{process.pid}/task")
        end = time.monotonic() + 60
        while len(list(tasks.iterdir())) < 4 and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (code, b"")


NOWHERE = "/proc/nowhere"
ENVIRONMENTS = {
    "home that cannot be written": ({"HOME": NOWHERE}, "export ROS_LOG_DIR="),
    "no home": ({"HOME": None}, "export ROS_LOG_DIR="),
    "log folder": ({"ROS_LOG_DIR": NOWHERE}, "export ROS_LOG_DIR="),
    "domain that is no number": ({"ROS_DOMAIN_ID": "abc"}, "got ROS_DOMAIN_ID=abc"),
    "domain above the last": ({"ROS_DOMAIN_ID": "233"}, "from 0 to 232"),
    "middleware": ({"RMW_IMPLEMENTATION": "rmw_none_cpp"}, "rmw_none_cpp is not installed here"),
}
NODE = (sys.executable, "-m", "sam3_ros.ros.segmentation_node")
STARTED = {
    "sam3-ros": ((*SAM3_ROS, "topic", "list", "--seconds", "0"), "sam3-ros: error: "),
    "node": (NODE, "the node cannot start: "),
}


@pytest.mark.parametrize("kind", ENVIRONMENTS)
@pytest.mark.parametrize("program", STARTED)
def test_an_environment_without_ros_is_one_line(program, kind):
    (changes, reason), (arguments, begin) = ENVIRONMENTS[kind], STARTED[program]
    if program == "node" and kind == "middleware":
        pytest.skip("ROS ends the process while it is imported, with a line of its own")
    changed = {**os.environ, "ROS_LOG_DIR": None, "ROS_HOME": None, "ROS_DOMAIN_ID": "0", **changes}
    environment = {name: value for name, value in changed.items() if value is not None}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.REFUSED, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(begin)
    assert reason in line
