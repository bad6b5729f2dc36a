"""The segmentation node as a child process that never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType

from sam3_ros.core.errors import Sam3RosError

# The node ends itself within two seconds; a hung one does not.
GRACE_SECONDS = 5.0
_LINES_TOLD = 20
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class NodeFailedError(Sam3RosError):
    """The node ended, or cannot do its work; the message holds its own words."""


class NodeChild:
    """`with NodeChild(arguments, log, environment) as child:`; its log goes to a file."""

    def __init__(
        self, arguments: Sequence[str], log_file: Path, environment: Mapping[str, str]
    ) -> None:
        """arguments: as after `ros2 run sam3_ros segmentation_node`."""
        self._log_file = log_file
        command = [sys.executable, "-m", "sam3_ros.ros.segmentation_node", *arguments]
        with log_file.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=partial(_die_with_parent, os.getpid()),
            )

    def __enter__(self) -> NodeChild:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def check(self) -> None:
        """Raise NodeFailedError if the node has ended."""
        code = self._process.poll()
        if code is not None:
            raise self.failed(f"the node ended with {_exit_in_words(code)}")

    def failed(self, what: str) -> NodeFailedError:
        """An error with what happened and the last of the node's log."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        said = "\n".join(f"  {line}" for line in lines[-_LINES_TOLD:])
        return NodeFailedError(f"{what}; its last words:\n{said}" if said else f"{what}, silently")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace time; also what the node may have started."""
        self._signal_group(signal.SIGTERM)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._signal_group(signal.SIGKILL)
            self._process.wait()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # all of it has ended
            os.killpg(self._process.pid, number)


def _die_with_parent(parent: int) -> None:
    # For a parent that is killed: it cannot stop its child. Other C libraries have no prctl.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this
        os._exit(1)


def _exit_in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
