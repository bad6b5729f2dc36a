"""A child process that never outlives its parent, with its last words."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO

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
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with _signals_afterwards(), log_file.open("w") as log:
                self._process = _started(command, log, environment)
        except BaseException:  # a signal too: nobody else knows of the child yet
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
        """None while it runs; minus the number of the signal that ended it."""
        assert self._process is not None
        return self._process.poll()

    def with_last_words(self, what: str) -> str:
        """What happened, and the last of the child's log."""
        lines = self._log_file.read_text(errors="replace").splitlines()
        said = "\n".join(f"  {line}" for line in lines[-_LINES_TOLD:])
        return f"{what}; its last words:\n{said}" if said else f"{what}, silently"

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace time; also what the child may have started."""
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
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _started(
    command: Sequence[str], log: IO[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=partial(_die_with_parent, os.getpid()),
    )


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(process.pid, number)


@contextmanager
def _signals_afterwards() -> Iterator[None]:
    """Act on SIGINT and SIGTERM only after the body, for Popen forgets a child on an exception."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
    for number in came:
        signal.raise_signal(number)


def _die_with_parent(parent: int) -> None:
    # For a parent that is killed: it cannot stop its child. Other C libraries have no prctl.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before this
        os._exit(1)
