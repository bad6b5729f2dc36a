"""What is killed costs at most the chunks in work: the same command ends with the same outputs.

SAM3_ROS_KILLS=10 kills so many times more, at random moments.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bags
import pytest
from labelling import LabelRun, outputs_of
from node_client import PATIENCE
from processes import children_of, is_running

from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.job import LabelPrompt

KILLS = int(os.environ.get("SAM3_ROS_KILLS", "0"))


class Labelling:
    """`sam3-ros label` in a process of its own."""

    def __init__(self, bag: Path, bundle: Path, out: Path, workers: int) -> None:
        self.out = out
        self._command = [
            *(sys.executable, "-m", "sam3_ros.cli.main", "label", str(bag), "--text", "red; blue"),
            *("--bundle", str(bundle), "--out", str(out), "--workers", str(workers)),
            *("--formats", "coco,mcap", "--chunk-frames", "8"),
        ]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)

    def done(self) -> int:
        """Return how many chunks are done."""
        return len(list(self.out.glob(".sam3-ros-label/*/[0-9]*.json")))

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not is_so() and self.process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.005)

    def kill(self, *pids: int) -> None:
        for pid in pids:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)

    def ended(self) -> int:
        _, said = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in said, said
        return self.process.returncode


@pytest.mark.long
def test_killed_at_any_moment_it_ends_with_the_same_bytes(tmp_path, sam3_bundle_path):
    bag = bags.write_bag(tmp_path / "bag", 140 if not KILLS else 600)
    whole = LabelRun(sam3_bundle_path, tmp_path / "whole")
    prompts = (LabelPrompt("red"), LabelPrompt("blue"))
    whole(bag, selection=Selection(chunk_frames=8), prompts=prompts, formats=("mcap", "coco"))

    run = Labelling(bag, sam3_bundle_path, tmp_path / "killed", workers=2)
    run.wait_until(lambda: run.done() >= 1)
    workers = children_of(run.process.pid)
    assert len(workers) == 2
    run.kill(workers[0])  # it is replaced, and its chunk tried again
    done = run.done()
    run.wait_until(lambda: run.done() > done)
    workers = children_of(run.process.pid)
    run.kill(run.process.pid)
    run.process.wait()
    end = time.monotonic() + PATIENCE
    while any(map(is_running, workers)):  # orphans end
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not (run.out / "instances.json").exists()
    for _ in range(KILLS):
        run.start()
        time.sleep(random.uniform(0, 6))
        pids = [run.process.pid, *children_of(run.process.pid)]
        run.kill(*random.choice([pids, pids[:1], pids[1:2]]))
        if run.process.poll() is None and random.random() < 0.5:
            time.sleep(random.uniform(0, 2))
        run.kill(run.process.pid)
        run.process.communicate()
    run.start()
    assert run.ended() == 0
    assert outputs_of(run.out) == outputs_of(whole.out)
