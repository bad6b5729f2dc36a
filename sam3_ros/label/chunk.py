"""What is labelled, and the piece of it that a worker takes at a time.

A source is a bag, a video or a folder of pictures; a chunk is a range of the images of one topic
of it, or with tracking a whole track span. Both travel between processes as JSON.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

#: The topic of the images of a video and of a folder of pictures, which have none.
PICTURES_TOPIC = "/image"
# Letters of a name in the work folder.
_KEY = 20


class SourceKind(str, Enum):
    """What a source is."""

    #: rosbag2: a folder, or one file.
    BAG = "bag"
    VIDEO = "video"
    #: A folder of pictures, or single ones.
    PICTURES = "pictures"


def source_key(kind: SourceKind, path: str) -> str:
    """Return what names a source in the work folder: the same for the same kind and path."""
    return hashlib.sha256(kind.value.encode() + os.fsencode(path)).hexdigest()[:_KEY]


@dataclass(frozen=True)
class LabelSource:
    """Something that holds images."""

    kind: SourceKind
    #: Absolute, as it was found.
    path: str
    #: Unique in the run, "/" between its parts: such as "monday/drive_3". A relative path of an
    #: output can be made of it: no part is empty, "." or "..", or has a character below " ".
    name: str
    #: Changes when the files change: of names, sizes and times of modification.
    fingerprint: str

    @property
    def key(self) -> str:
        """Names it in the work folder."""
        return source_key(self.kind, self.path)

    def document(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> LabelSource:
        """Return the source that `document` described."""
        return cls(**{**document, "kind": SourceKind(document["kind"])})


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Where an image is in its source."""

    #: From 0, among all images of its topic (of its video, its folder) in the order of time.
    index: int
    #: When it was recorded, ns by the recorder's clock; of a video index / rate, of a picture
    #: index seconds.
    time_ns: int
    #: The file of a picture, relative to its source; empty for bags and videos.
    file: str = ""
    #: From 0, among the images of its topic that were recorded at the same time.
    rank: int = 0

    def document(self) -> list[Any]:
        """Return what JSON holds of it, short, because there are many: the fields in order."""
        return [self.index, self.time_ns, self.file, self.rank]


@dataclass(frozen=True)
class Chunk:
    """A piece of work: consecutive images of one topic."""

    source: LabelSource
    topic: str
    #: From 0, among all chunks of the source; the topics of a source follow one another.
    number: int
    #: Those to label, in the order of time; never empty.
    frames: tuple[FramePlace, ...]
    #: With tracking: the number of the track span in its topic, from 0. None without.
    span: int | None = None
    #: Whether the topic's images beyond the last place belong to it too, as where a video does not
    #: say truly how many it has; every `step`-th of them.
    open_end: bool = False
    step: int = 1
    #: Of a track span but the first: the last image of the span before, to know its objects again.
    lead: FramePlace | None = None

    def document(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        frames = [each.document() for each in self.frames]
        own = {
            "topic": self.topic,
            "number": self.number,
            "span": self.span,
            "open_end": self.open_end,
            "step": self.step,
            "lead": None if self.lead is None else self.lead.document(),
        }
        return {"source": self.source.document(), "frames": frames, **own}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Chunk:
        """Return the chunk that `document` described."""
        frames = tuple(FramePlace(*each) for each in document["frames"])
        source = LabelSource.of_document(document["source"])
        lead = None if document["lead"] is None else FramePlace(*document["lead"])
        return cls(**{**document, "source": source, "frames": frames, "lead": lead})
