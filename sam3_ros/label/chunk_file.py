"""The answer to a chunk on disk: written beside and moved into place, with a checksum.

Two lines of JSON: a head with bytes and sha256 of the second and what is counted in it, then the
answer itself. A chunk is done where its file is there. Nothing in it depends on the time, the
worker or the machine.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.whole_file import write_whole
from sam3_ros.label.answers import ChunkAnswer, LabelledFrame

_HEAD_IS_WITHIN = 512


class ChunkFileError(Sam3RosError):
    """A chunk's file that is damaged: cut, or with another checksum."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} is damaged: {what}")
        self.path = path


@dataclass(frozen=True)
class ChunkHead:
    """What the head of a chunk's file says of the rest."""

    #: Of the second line.
    bytes: int
    sha256: str
    frames: int
    #: Of these, how many could not be answered.
    failed_frames: int
    #: Objects that are seen, in all frames.
    objects: int


def chunk_path(folder: Path, number: int) -> Path:
    """Return the file of a chunk in the folder of its source."""
    return folder / f"{number:06d}.json"


def write_chunk_file(path: Path, answer: ChunkAnswer) -> ChunkHead:
    """Write a chunk's answer and return the head. Raises OSError."""
    document = {
        "source": answer.source,
        "topic": answer.topic,
        "number": answer.number,
        "span": answer.span,
        "lead": None if answer.lead is None else answer.lead.document(),
        "frames": [frame.document() for frame in answer.frames],
    }
    body = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    head = ChunkHead(
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        frames=len(answer.frames),
        failed_frames=sum(bool(frame.failure) for frame in answer.frames),
        objects=sum(each.area > 0 for frame in answer.frames for each in frame.objects),
    )
    write_whole(path, b"%b\n%b\n" % (json.dumps(asdict(head)).encode(), body))
    return head


def read_chunk_file(path: Path) -> ChunkAnswer:
    """Read a chunk's answer. Raises ChunkFileError where it is damaged; OSError."""
    first, _, rest = path.read_bytes().partition(b"\n")
    body = rest.removesuffix(b"\n")
    if _parsed(path, first).sha256 != hashlib.sha256(body).hexdigest():
        raise ChunkFileError(path, "its checksum is another")
    document = json.loads(body)
    frames = tuple(LabelledFrame.of_document(each) for each in document["frames"])
    lead = None if document["lead"] is None else LabelledFrame.of_document(document["lead"])
    return ChunkAnswer(**{**document, "frames": frames, "lead": lead})


def read_head(path: Path) -> ChunkHead | None:
    """Return the head of a chunk's file; None where it is not there, or lacks bytes.

    It does after a power cut. The checksum is not looked at. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            first = file.read(_HEAD_IS_WITHIN).partition(b"\n")[0]
            size = file.seek(0, 2)
    except FileNotFoundError:
        return None
    try:
        head = _parsed(path, first)
    except ChunkFileError:
        return None
    return head if size == len(first) + 1 + head.bytes + 1 else None


def _parsed(path: Path, first: bytes) -> ChunkHead:
    try:
        return ChunkHead(**json.loads(first))
    except (ValueError, TypeError) as error:
        raise ChunkFileError(path, "it does not begin as it should") from error
