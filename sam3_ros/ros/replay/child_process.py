"""A child process that never outlives its parent, with its last words."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType

# The node ends itself within two seconds; a hung one does not.
GRACE_SECONDS = 5.0
_LINES_TOLD = 20
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class ChildProcess:
    """`with ChildProcess(command, log, environment) as child:`; its log goes to a file."""

    def __init__(
        self, command: Sequence[str], log_file: Path, environment: Mapping[str, str]
    ) -> None:
        self._log_file = log_file
        with log_file.open("w") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=partial(_die_with_parent, os.getpid()),
            )

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the number of the signal that ended it."""
        return self._process.poll()

    def with_last_words(self, what: str) -> str:
        """What happened, and the last of the child's log."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        said = "\n".join(f"  {line}" for line in lines[-_LINES_TOLD:])
        return f"{what}; its last words:\n{said}" if said else f"{what}, silently"

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace time; also what the child may have started."""
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


def exit_in_words(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _die_with_parent(parent: int) -> None:
    # For a parent that is killed: it cannot stop its child. Other C libraries have no prctl.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this
        os._exit(1)
