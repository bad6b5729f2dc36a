"""All answers of a run, for what writes outputs: in one order, whoever made them and when.

    for labelled in results.sources:
        for topic in labelled.topics:
            for frame in labelled.frames(topic):
                ...

Frames come from the chunks' files one chunk at a time, so memory does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sam3_ros.label.answers import ChunkAnswer, LabelledFrame
from sam3_ros.label.chunk import LabelSource
from sam3_ros.label.chunk_file import chunk_path, read_chunk_file
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.span_joining import SpanJoining


@dataclass(frozen=True)
class Category:
    """A prompt as outputs name it."""

    #: From 1, in the order of the prompts.
    number: int
    prompt_id: str
    label: str


@dataclass(frozen=True)
class LabelledTopic:
    """The images of one topic, and the chunks that answer them."""

    name: str
    #: Numbers of its chunks that are done, in order.
    chunks: tuple[int, ...]


@dataclass(frozen=True)
class LabelledSource:
    """A source, as far as it is labelled."""

    source: LabelSource
    #: The folder of its chunks' files.
    folder: Path
    #: In the order of their names.
    topics: tuple[LabelledTopic, ...]

    def answers(self, topic: LabelledTopic) -> Iterator[ChunkAnswer]:
        """Yield the chunks in order. Raises ChunkFileError, OSError."""
        for number in topic.chunks:
            yield read_chunk_file(chunk_path(self.folder, number))

    def frames(self, topic: LabelledTopic) -> Iterator[LabelledFrame]:
        """Yield the frames in the order of time, also those with a failure.

        The id of a track is one object in the topic, also where it was cut into spans. Raises
        ChunkFileError, OSError.
        """
        joining = SpanJoining()
        for answer in self.answers(topic):
            if answer.span is None:
                yield from answer.frames
            else:
                joining.begin_span(answer.lead)
                yield from map(joining.joined, answer.frames)


@dataclass(frozen=True)
class RunResults:
    """What a run has labelled."""

    #: In the order of their names. Those that were set aside whole are not among them.
    sources: Sequence[LabelledSource]
    categories: tuple[Category, ...]
    #: sha256 of the bundle's manifest, which has those of its files.
    bundle_sha256: str
    bundle_name: str
    #: Of sam3_ros.
    version: str
    #: Whether objects have track ids.
    is_tracked: bool
    #: Changes when anything that outputs are made of changes.
    digest: str
    #: How images are read when they are shown.
    reading: ReadSettings = field(default_factory=ReadSettings)
