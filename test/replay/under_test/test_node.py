"""The node as a child: its end is noticed, and it ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from node_client import PATIENCE
from node_under_test import ENVIRONMENT
from processes import children_of, is_running
from ros_domains import own_domain

from sam3_ros.replay.under_test import child_process
from sam3_ros.replay.under_test.node import NodeChild, NodeFailedError


def environment(domain: int) -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT, "ROS_DOMAIN_ID": str(domain)}


def wait_for(done, what: str) -> None:
    """Wait until done() is true or raises."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.05)


def test_a_node_that_ends_is_reported_with_its_last_words(tmp_path):
    arguments = ["--ros-args", "-p", "no_parameter"]
    with (
        own_domain() as domain,
        NodeChild(arguments, tmp_path / "log", environment(domain)) as child,
        pytest.raises(NodeFailedError, match=r"exit code 2(.|\n)*no_parameter"),
    ):
        wait_for(child.check, "the end of the node")


def test_a_node_is_stopped_at_the_end_of_the_block(tmp_path):
    with own_domain() as domain:
        arguments = ["--ros-args", "-p", "autostart:=false"]
        with NodeChild(arguments, tmp_path / "log", environment(domain)) as child:
            (pid,) = children_of(os.getpid())
            child.check()
        assert not is_running(pid)
        with pytest.raises(NodeFailedError):
            child.check()


def test_a_node_that_hangs_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("sam3_ros.replay.under_test.child_process.GRACE_SECONDS", 0.2)
    with own_domain() as domain:
        with NodeChild([], tmp_path / "log", environment(domain)):
            (pid,) = children_of(os.getpid())
            os.kill(pid, signal.SIGSTOP)
        assert not is_running(pid)


def test_a_signal_while_the_node_is_being_started_stops_it(tmp_path, monkeypatch):
    """The signal comes right after the fork, in the middle of Popen."""
    begin = child_process._started

    def interrupted(*arguments):
        process = begin(*arguments)
        os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr(child_process, "_started", interrupted)
    with own_domain() as domain, pytest.raises(KeyboardInterrupt):
        NodeChild([], tmp_path / "log", environment(domain))
    assert children_of(os.getpid()) == []


@pytest.mark.parametrize("is_up", [False, True], ids=["starting", "up"])
def test_a_node_ends_when_its_parent_is_killed(tmp_path: Path, is_up):
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from sam3_ros.replay.under_test.node import NodeChild\n"
        "NodeChild(['--ros-args', '-p', 'bundle:=/absent'], Path(sys.argv[1]), os.environ)\n"
        "time.sleep(60)\n"
    )
    log = tmp_path / "log"
    with own_domain() as domain:
        parent = subprocess.Popen([sys.executable, "-c", script, log], env=environment(domain))
        wait_for(lambda: children_of(parent.pid), "the node")
        (pid,) = children_of(parent.pid)
        if is_up:
            wait_for(lambda: "/absent" in log.read_text(), "the node's first words")
        parent.kill()
        parent.wait()
        wait_for(lambda: not is_running(pid), "the end of the node")
