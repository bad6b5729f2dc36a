"""The node's part of `sam3-ros bench --report`: `bench --node` at 1080p, as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sam3_ros.cli.needs import require
from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.own_program import own_command

if TYPE_CHECKING:
    from pathlib import Path

    from sam3_ros.bench.matrix.cells import Way

#: The modules that a node and its bench need.
NEEDS = ("rclpy", "sam3_ros.msg", "rosbags")
_COMMAND = (*own_command("sam3_ros.cli.main"), "bench", "--node", "--json")
_FRAMES, _SECONDS, _CLICKS = 60, 5, 10
#: How long it may take to stop the node, s.
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class NodeResult:
    """What a node did over DDS, or why there is nothing to tell."""

    #: What ran, empty where nothing did.
    way: str = ""
    #: As in the JSON of `bench --node`.
    cases: Sequence[dict[str, Any]] = field(default_factory=tuple)
    #: Why there are no cases.
    reason: str = ""
    #: There was no time for it, or no ROS.
    is_left_out: bool = False

    @property
    def cpu_ms_per_frame(self) -> float | None:
        """CPU time of the node for a frame; None where no frame was answered."""
        frames = [case for case in self.cases if case["frames"] is not None and case["latency"]]
        return frames[0]["use"]["cpu_ms_per_answer"] if frames else None


def missing_for_node() -> str:
    """Return why no node can be measured here; empty if one can."""
    try:
        require(*NEEDS, whose="the node's part")
    except Sam3RosError as error:
        return str(error)
    return ""


def measure_node(
    bundle: str, way: Way, text: str, image: Path, threads: int | None, deadline: float
) -> NodeResult:
    """Measure a node that runs the bundle in a way, until the deadline of time.monotonic."""
    described = f"{way.backend} {way}"
    options = ["--bundle", bundle, "--backend", way.backend, "--precision", way.precision]
    options += ["--cuda-graphs"] if way.cuda_graphs else []
    options += [] if threads is None else ["--threads", str(threads)]
    options += ["--text", text, "--image", str(image), "--transports", "raw"]
    options += ["--sizes", "1920x1080", "--rate", "0", "--clicks", str(_CLICKS)]
    options += ["--frames", str(_FRAMES), "--seconds", str(_SECONDS)]
    left = deadline - time.monotonic()
    if left <= 0:
        return NodeResult(described, reason="no time was left", is_left_out=True)
    # In a session of its own, so that its node can be stopped with it.
    process = subprocess.Popen(
        [*_COMMAND, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        _stop(process)
        return NodeResult(
            described, reason="it took longer than its share of the time", is_left_out=True
        )
    except BaseException:
        _stop(process)
        raise
    try:
        return NodeResult(described, tuple(json.loads(output)["cases"]))
    except (ValueError, KeyError):
        last = errors.strip().splitlines()[-1:] or [f"it ended with code {process.returncode}"]
        return NodeResult(described, reason=f"failed: {last[0]}")


def _stop(process: subprocess.Popen[str]) -> None:
    """Interrupt the bench and its node, as Ctrl-C does; kill what is still there after a while."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_STOP_SECONDS)
            return
