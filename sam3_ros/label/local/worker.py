"""A worker process: reads a job, then chunks, as lines of JSON; answers each by a line.

It ends with the process that started it, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from ctypes import CDLL
from dataclasses import asdict
from typing import IO, Any

# linux/prctl.h
_PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Label what comes on stdin until it ends. parent: the process that started this one."""
    _end_with(parent)
    requests = sys.stdin.buffer
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    for answer in _answers(requests):
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answers(requests: IO[bytes]) -> Iterator[dict[str, Any]]:
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
        yield {"refused": _told(error)}
        return
    with labeller:
        yield {"ready": os.getpid()}
        for line in requests:
            chunk = Chunk.of_document(json.loads(line))
            try:
                yield {"done": asdict(labeller.label_chunk(chunk))}
            except OSError as error:
                yield {"unwritable": [error.errno, error.strerror, error.filename]}
            except Sam3RosError as error:
                yield {"failed": _told(error)}


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
