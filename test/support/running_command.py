"""A `sam3-ros` command that runs until it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from node_client import PATIENCE


class RunningCommand:
    """`sam3-ros` with these arguments, in a process of its own that logs into a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sam3_ros.cli.main", *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ),
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def wait_for(self, words: str) -> str:
        """Return the line with these words, once it is there."""
        return self._wait(lambda: next((x for x in self.text.splitlines() if words in x), ""))

    def _wait(self, done: Callable[[], str]) -> str:
        end = time.monotonic() + PATIENCE
        while not (found := done()):
            has_ended = self.process.poll() is not None
            assert time.monotonic() < end and (not has_ended or done()), self.text
            time.sleep(0.1)
        return found

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)
