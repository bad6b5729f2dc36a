"""The domain of `sam3-ros demo` and `bench --node`: nobody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from node_under_test import ENVIRONMENT

from sam3_ros.replay import private_domain as domains
from sam3_ros.replay.ask.settings import ReplayError
from sam3_ros.replay.private_domain import FIRST_DOMAIN, private_domain

_CLAIM = """
from sam3_ros.replay.private_domain import private_domain
with private_domain() as domain:
    print(domain, flush=True)
    input()
"""
_PARTICIPANT = """
import rclpy
rclpy.init()
node = rclpy.create_node("somebody")
print(flush=True)
input()
"""


def test_two_processes_never_have_the_same(claimed):
    others = {claimed() for _ in range(3)}
    with private_domain() as domain:
        assert len({domain, *others}) == 4


@pytest.mark.parametrize("discovery", ["LOCALHOST", "SUBNET"])
def test_none_where_a_node_runs(child, discovery):
    with private_domain() as free:
        pass
    child(_PARTICIPANT, ROS_DOMAIN_ID=str(free), ROS_AUTOMATIC_DISCOVERY_RANGE=discovery)
    with private_domain() as domain:
        assert domain != free


def test_a_process_that_is_killed_leaves_no_claim(child):
    process, claimed = child(_CLAIM)
    process.kill()
    process.wait()
    again = domains.claim(int(claimed))
    assert again is not None
    again.close()


def test_without_the_kernels_tables_claims_alone_are_seen(child, monkeypatch, tmp_path):
    monkeypatch.setattr(domains, "_BOUND", (tmp_path, tmp_path / "missing"))  # a folder: OSError
    taken = int(child(_CLAIM)[1])
    assert domains.claim(taken) is None
    with private_domain() as domain:
        assert domain != taken


def test_all_in_use_is_refused_with_a_way_out(monkeypatch):
    last = FIRST_DOMAIN + 1
    monkeypatch.setattr(domains, "LAST_DOMAIN", last)
    refused = pytest.raises(ReplayError, match=rf"60 to {last} is in use .* --domain N")
    with ExitStack() as stack, refused:
        for _ in range(3):
            stack.enter_context(private_domain())


@pytest.fixture
def child():
    """Return a function that starts Python code; it returns the process and its first line."""
    with ExitStack() as stack:

        def start(code: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **ENVIRONMENT, **environment},
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            return process, process.stdout.readline()

        yield start


@pytest.fixture
def claimed(child):
    """Return a function that claims a domain in a process of its own and returns it."""
    return lambda: int(child(_CLAIM)[1])
