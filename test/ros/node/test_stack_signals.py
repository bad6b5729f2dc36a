"""In processes of their own, because all of it is of the process."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

STUCK = """
import time
from sam3_ros.ros.node.stack_signals import ended_if_stuck
with ended_if_stuck(0.2):
    time.sleep({seconds})
print("went on")
"""
SHOWN = """
import signal
from sam3_ros.ros.node.stack_signals import show_stacks_on_signals
show_stacks_on_signals()
for number in {numbers}:
    signal.raise_signal(number)
print("went on")
"""


def run(program: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_block_that_is_stuck_ends_the_process_with_its_stack():
    ended = run(STUCK.format(seconds=25))
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "line 5 in <module>" in ended.stderr


def test_a_block_that_is_not_goes_on():
    ended = run(STUCK.format(seconds=0) + "time.sleep(0.4)")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "went on\n", "")


def test_the_users_signals_show_the_stacks_and_it_goes_on():
    ended = run(SHOWN.format(numbers="(signal.SIGUSR1, signal.SIGUSR2)"))
    assert (ended.returncode, ended.stdout) == (0, "went on\n")
    assert ended.stderr.count("most recent call first") == 2


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGQUIT])
def test_what_ends_the_process_shows_the_stacks_before(number):
    def as_by_default() -> None:  # a shell's background job may ignore it
        signal.signal(number, signal.SIG_DFL)

    ended = run(SHOWN.format(numbers=f"({int(number)},)"), preexec_fn=as_by_default)
    assert ended.returncode == -number
    assert "most recent call first" in ended.stderr
