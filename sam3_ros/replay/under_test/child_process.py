"""A child process that ends with its parent, and the end of its log."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

from sam3_ros.core.signals import signals_handled

# The node ends within two seconds of SIGTERM, unless it hangs.
GRACE_SECONDS = 5.0
_LINES_TOLD = 20
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class ChildProcess:
    """A process that logs to a file: `with ChildProcess(command, log, environment) as child:`"""

    def __init__(
        self, command: Sequence[str], log_file: Path | None, environment: Mapping[str, str]
    ) -> None:
        """Start it. log_file: None to let it write where this process does."""
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with _signals_afterwards(), _opened(log_file) as log:
                self._process = _started(command, log, environment)
        except BaseException:  # signals too: no other code knows about the child yet
            if self._process is not None:
                self.stop()
            raise

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
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        assert self._process is not None
        return self._process.poll()

    def with_last_words(self, what: str) -> str:
        """Return what happened, with the end of the child's log if that is in a file."""
        if self._log_file is None:
            return what
        lines = self._log_file.read_text(errors="replace").splitlines()
        said = "\n".join(f"  {line}" for line in lines[-_LINES_TOLD:])
        return f"{what}; the end of its log:\n{said}" if said else f"{what}, its log is empty"

    def stop(self) -> None:
        """Send SIGTERM, then SIGKILL after GRACE_SECONDS, also to what the child has started."""
        assert self._process is not None
        _signal_group(self._process, signal.SIGTERM)
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _signal_group(self._process, signal.SIGKILL)
            self._process.wait()


def exit_in_words(code: int) -> str:
    """Describe an exit code as of subprocess: negative for a signal."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _opened(log_file: Path | None) -> AbstractContextManager[IO[str] | None]:
    return nullcontext() if log_file is None else log_file.open("w")


def _started(
    command: Sequence[str], log: IO[str] | None, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=None if log is None else subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=partial(_die_with_parent, os.getpid()),
    )


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(process.pid, number)


@contextmanager
def _signals_afterwards() -> Iterator[None]:
    """Delay SIGINT and SIGTERM until after the body: an exception inside Popen loses the child."""
    came: list[int] = []
    with signals_handled(lambda number, _: came.append(number), signal.SIGINT, signal.SIGTERM):
        yield
    for number in came:
        signal.raise_signal(number)


def _die_with_parent(parent: int) -> None:
    # A parent that is killed cannot stop its child. Not every C library has prctl.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before prctl
        os._exit(1)
