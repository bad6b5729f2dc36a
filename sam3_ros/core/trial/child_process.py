"""Starts a process for the first run of a bundle, waits for its answer, and ends it.

The process is a fresh interpreter that imports nothing from the folder it was started in. It bounds
itself as soon as it runs; the time is bounded from here as well, whatever it does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MODULE = "sam3_ros.core.precision.first_run"
# `python -m` and a script would import from the folder they are started in, or lie in.
_START = f"""
import json, sys
request = json.loads(sys.stdin.readline())
sys.path[:] = request["python_path"]
from {_MODULE} import main
main(request)
"""
_MOST_BYTES_TOLD = 4000


@dataclass(frozen=True)
class ChildEnd:
    """How the process ended."""

    #: What it told of its run; None if it was ended before.
    answer: Mapping[str, Any] | None
    #: It was ended because its time was over.
    timed_out: bool = False
    #: The exit status, negative for a signal.
    status: int = 0
    #: The end of what it wrote to stderr.
    told: str = ""


def run_in_child(request: Mapping[str, Any], seconds: float) -> ChildEnd:
    """Run main() of first_run with a request, for so long at most.

    Raises OSError where no process can be started. It ends with this process, however that ends.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as answers:
        child = subprocess.Popen(
            [sys.executable, "-I", "-X", "faulthandler", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=errors,
            cwd="/",
            env=_environment(),
            start_new_session=True,  # all of it is ended at once, and Ctrl-C is for us
        )
        timed_out = False
        try:
            asked = {**request, "python_path": _python_path(), "parent": os.getpid()}
            child.communicate((json.dumps(asked) + "\n").encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            _end(child)
        return ChildEnd(_answer(answers), timed_out, child.returncode, _last(errors))


def _python_path() -> list[str]:
    """Return where this process imports from, but for the folder that it happens to be in."""
    own = str(Path(__file__).resolve().parents[3])
    found = [each for each in sys.path if Path(each).is_absolute()]
    return found if own in found else [*found, own]


def _environment() -> dict[str, str]:
    changed = {
        # An arena for each thread reserves memory that counts as used.
        "MALLOC_ARENA_MAX": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    return {**os.environ, **changed}


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _answer(stream: Any) -> Mapping[str, Any] | None:
    stream.seek(0)
    try:
        answer = json.loads(stream.read(_MOST_BYTES_TOLD * 10))
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _last(stream: Any) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _MOST_BYTES_TOLD))
    return bytes(stream.read()).decode("utf-8", "replace").strip()
