"""A worker process as its driver sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sam3_ros.core.own_program import own_command
from sam3_ros.label.chunk import Chunk
from sam3_ros.label.job import LabelJob

_MODULE = "sam3_ros.label.local.worker"
_PIECE, _MOST_BYTES_TOLD = 1 << 16, 2000


@dataclass(frozen=True)
class Work:
    """A chunk that is to be labelled."""

    chunk: Chunk
    #: How often that has failed.
    tries: int = 0


class WorkerProcess:
    """A started worker. It is ready once it has said so, and has one chunk at a time."""

    def __init__(self, job: LabelJob) -> None:
        """Start it. Raises OSError where no process can be started."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [*own_command(_MODULE), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(job.threads),
            start_new_session=True,  # Ctrl-C is for us
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._rest = b""
        #: The GPU that it may use.
        self.device_id = job.device_id
        #: Whether it has loaded the model.
        self.is_ready = False
        #: What it has, or will have once it is ready.
        self.work: Work | None = None
        with suppress(BrokenPipeError):  # it is read from, and its end is seen there
            self._send(job.document())

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Return what becomes readable when it answers, or has ended."""
        return self._answers.fileno()

    def take(self, work: Work) -> None:
        """Give it work, at once or when it is ready."""
        self.work = work
        if self.is_ready:
            self.begin()

    def begin(self) -> None:
        """Send it its work: it is ready."""
        self.is_ready = True
        if self.work is not None:
            with suppress(BrokenPipeError):
                self._send(self.work.chunk.document())

    def finish(self) -> Work:
        """Return its work, which is done or has failed."""
        assert self.work is not None, "it answers what it was given"
        work, self.work = self.work, None
        return work

    def answers(self) -> Iterator[dict[str, Any] | None]:
        """Yield what it has answered since, once it is readable; None once it has ended."""
        piece = os.read(self.fileno(), _PIECE)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        yield from map(json.loads, lines)
        if not piece:
            yield None

    def end(self) -> str:
        """Kill it unless it has ended; return how it ended, for people."""
        self.kill()
        with suppress(BrokenPipeError):
            self._requests.close()
        self._answers.close()
        status = self._process.wait()
        told = self._last_line()
        self._errors.close()
        if status >= 0:
            how = f"its worker ended with code {status}"
        else:
            how = f"its worker was ended by {signal.Signals(-status).name}"
            how += " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"{how}: {told}" if told else how

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()

    def _send(self, document: dict[str, Any]) -> None:
        self._requests.write(json.dumps(document).encode() + b"\n")
        self._requests.flush()

    def _last_line(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _MOST_BYTES_TOLD))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _environment(threads: int) -> dict[str, str]:
    return {
        **os.environ,
        # An arena for each thread reserves memory that counts as used.
        "MALLOC_ARENA_MAX": "1",
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
    }
