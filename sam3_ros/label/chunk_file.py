"""The answer to a chunk on disk: written beside and moved into place, with a checksum.

Two lines of JSON: {"bytes": N, "sha256": "..."} of the second, then the answer itself. A chunk is
done where its file is there. Nothing in it depends on the time, the worker or the machine.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import write_whole
from sam3_ros.label.answers import ChunkAnswer, LabelledFrame

_HEAD_IS_WITHIN = 256


class ChunkFileError(Sam3RosError):
    """A chunk's file that is damaged: cut, or with another checksum."""


def chunk_path(folder: Path, number: int) -> Path:
    """Return the file of a chunk in the folder of its source."""
    return folder / f"{number:06d}.json"


def write_chunk_file(path: Path, answer: ChunkAnswer) -> str:
    """Write a chunk's answer and return its checksum. Raises OSError."""
    document = {
        "source": answer.source,
        "topic": answer.topic,
        "number": answer.number,
        "span": answer.span,
        "remarks": list(answer.remarks),
        "frames": [frame.document() for frame in answer.frames],
    }
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    checksum = hashlib.sha256(body).hexdigest()
    head = json.dumps({"bytes": len(body), "sha256": checksum}).encode()
    write_whole(path, b"%b\n%b\n" % (head, body))
    return checksum


def read_chunk_file(path: Path) -> ChunkAnswer:
    """Read a chunk's answer. Raises ChunkFileError where it is damaged; OSError."""
    head, _, rest = path.read_bytes().partition(b"\n")
    body = rest.removesuffix(b"\n")
    if checksum_of(path, head) != hashlib.sha256(body).hexdigest():
        raise ChunkFileError(f"{path} is damaged: its checksum is another")
    document = json.loads(body)
    frames = tuple(LabelledFrame.of_document(each) for each in document["frames"])
    remarks = tuple(document["remarks"])
    return ChunkAnswer(**{**document, "frames": frames, "remarks": remarks})


def is_done(path: Path) -> bool:
    """Return whether the file of a chunk is there with all its bytes.

    After a power cut it may lack some. Its checksum is not looked at. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_IS_WITHIN).partition(b"\n")[0]
            size = file.seek(0, 2)
    except FileNotFoundError:
        return False
    try:
        return size == len(head) + 1 + int(json.loads(head)["bytes"]) + 1
    except (ValueError, KeyError, TypeError):
        return False


def checksum_of(path: Path, head: bytes | None = None) -> str:
    """Return the checksum that a chunk's file states. Raises ChunkFileError; OSError."""
    if head is None:
        with path.open("rb") as file:
            head = file.read(_HEAD_IS_WITHIN).partition(b"\n")[0]
    try:
        return str(json.loads(head)["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ChunkFileError(f"{path} is damaged: it has no checksum") from error
