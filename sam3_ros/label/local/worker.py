"""A worker process: reads a job, then chunks, as lines of JSON; answers each by a line.

It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from ctypes import CDLL
from dataclasses import asdict
from typing import IO, Any

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_TELL_EVERY = 1.0

Tell = Callable[[dict[str, Any]], None]


def main(parent: int) -> None:
    """Label what comes on stdin until it ends. parent: the process that started this one."""
    _end_with(parent)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer

    def tell(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    _work(requests, tell)


def _work(requests: IO[bytes], tell: Tell) -> None:
    import cv2

    from sam3_ros.core.errors import Sam3RosError
    from sam3_ros.label.chunk import Chunk
    from sam3_ros.label.job import LabelJob
    from sam3_ros.label.labeller import Labeller

    job = LabelJob.of_document(json.loads(requests.readline()))
    cv2.setNumThreads(job.threads)
    try:
        labeller = Labeller.load(job)
    except (Sam3RosError, OSError) as error:
        tell({"refused": _told(error)})
        return
    with labeller:
        tell({"ready": os.getpid()})
        for line in requests:
            chunk = Chunk.of_document(json.loads(line))
            try:
                tell({"done": asdict(labeller.label_chunk(chunk, _now_and_then(tell)))})
            except OSError as error:
                tell({"unwritable": [error.errno, error.strerror, error.filename]})
            except Sam3RosError as error:
                tell({"failed": _told(error)})


def _now_and_then(tell: Tell) -> Callable[[int], None]:
    """Return what tells of answered images, at most so often that a person can follow."""
    told = time.monotonic()

    def on_frames(answered: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _TELL_EVERY:
            told = now
            tell({"at": answered})

    return on_frames


def _end_with(parent: int) -> None:
    """Let the system kill this process once its parent has ended."""
    if sys.platform.startswith("linux"):
        CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before
        sys.exit(0)


def _told(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main(int(sys.argv[1]))
