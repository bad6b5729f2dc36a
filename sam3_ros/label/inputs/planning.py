"""Looks into a source, and plans its chunks: what is where is asked of its index, not of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.label.chunk import PICTURES_TOPIC, Chunk, FramePlace, LabelSource, SourceKind
from sam3_ros.label.inputs.being_written import OpenFiles
from sam3_ros.label.inputs.discovery import FoundSource
from sam3_ros.label.inputs.selection import Selection
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.bag import BagReader
from sam3_ros.label.reading.video import VideoReader, video_place
from sam3_ros.replay.bag.bag import IMAGE_TYPES
from sam3_ros.replay.bag.bag_folder import find_parts
from sam3_ros.replay.bag.recording import BagRemarks

# What a video's header may promise; more is no true word.
_MOST_PICTURES = 3_000_000
# What fits into 64 bits with a sign, as tables and messages hold it: the year 2262.
_LATEST_NS = (1 << 63) - 1
_LEFT_BESIDE = ("-wal", "-journal")
_BEING_WRITTEN = "is being written right now: label it once its recorder has closed it"


class SetAsideError(Sam3RosError):
    """A source that is not labelled, with the reason."""


@dataclass(frozen=True)
class SourcePlan:
    """What is labelled of a source."""

    source: LabelSource
    #: In the order of their numbers.
    chunks: tuple[Chunk, ...]
    #: Topics that are not labelled, with the reason.
    left_out: tuple[tuple[str, str], ...] = ()
    #: What of the source is lost or odd, a sentence each.
    remarks: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """How many images the chunks have, as far as that is known."""
        return sum(len(chunk.frames) for chunk in self.chunks)

    def document(self) -> dict[str, Any]:
        """Return what JSON holds of it."""
        chunks = [{**chunk.document(), "source": None} for chunk in self.chunks]
        own = {"left_out": [list(each) for each in self.left_out], "remarks": list(self.remarks)}
        return {"source": self.source.document(), "chunks": chunks, **own}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> SourcePlan:
        """Return the plan that `document` described."""
        source = document["source"]
        return cls(
            LabelSource.of_document(source),
            tuple(Chunk.of_document({**each, "source": source}) for each in document["chunks"]),
            tuple((topic, reason) for topic, reason in document["left_out"]),
            tuple(document["remarks"]),
        )


def fingerprint_of(found: FoundSource) -> str:
    """Return what changes when the files of a source change. Raises SetAsideError."""
    digest = hashlib.sha256()
    try:
        for path in _files_of(found):
            state = path.stat()
            name = os.fsencode(path.name)
            digest.update(b"%d %b %d %d\n" % (len(name), name, state.st_size, state.st_mtime_ns))
    except OSError as error:
        raise SetAsideError(f"cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def plan_source(
    found: FoundSource,
    name: str,
    selection: Selection,
    settings: ReadSettings,
    open_files: OpenFiles,
) -> SourcePlan:
    """Look into a source. Raises Sam3RosError where it is set aside, with the reason."""
    fingerprint = fingerprint_of(found)
    if found.kind is not SourceKind.PICTURES and open_files.being_written(_files_of(found)):
        raise SetAsideError(_BEING_WRITTEN)
    source = LabelSource(found.kind, str(found.path), name, fingerprint)
    if found.kind is SourceKind.BAG:
        plan = _of_bag(source, selection, settings)
    elif found.kind is SourceKind.VIDEO:
        plan = _of_video(source, selection, settings)
    else:
        plan = _of_pictures(source, found.pictures, selection)
    if fingerprint_of(found) != fingerprint:
        raise SetAsideError(_BEING_WRITTEN)
    return plan


def _files_of(found: FoundSource) -> list[Path]:
    """Return the files that a source is read from. Raises OSError, BagError."""
    path = found.path
    if found.kind is SourceKind.PICTURES:
        return [path / name for name in found.pictures]
    if not path.is_dir():
        return [path, *_beside(path)]
    files = find_parts(path, BagRemarks()).files
    beside = [each for file in files for each in _beside(file)]
    return [*files, *beside, *path.glob("metadata.yaml")]


def _beside(file: Path) -> list[Path]:
    """Return what a recorder in sqlite3 has left beside its file."""
    return [each for suffix in _LEFT_BESIDE if (each := Path(f"{file}{suffix}")).is_file()]


def _of_bag(source: LabelSource, selection: Selection, settings: ReadSettings) -> SourcePlan:
    try:
        reader = BagReader(source.path, settings)
    except OSError as error:
        raise SetAsideError(f"cannot be read: {error.strerror or error}") from error
    try:
        topics, left_out = _topics(reader, selection)
        chunks: list[Chunk] = []
        for topic in topics:
            times = reader.bag.times(topic)
            if times and not 0 <= times[0] <= times[-1] <= _LATEST_NS:
                left_out.append((topic, "it was recorded at times that no clock shows"))
                continue
            places = selection.of_times(times)
            chunks += _chunks(source, topic, selection, places, len(chunks))
        if not chunks:
            raise SetAsideError(_no_images(reader, left_out))
        return SourcePlan(source, tuple(chunks), tuple(left_out), reader.remarks())
    finally:
        reader.close()


def _topics(reader: BagReader, selection: Selection) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the topics to label, and those that are not, with the reason."""
    bag = reader.bag
    images = {name for name, each in bag.topics.items() if each.type_name in IMAGE_TYPES}
    wanted: Sequence[str] = selection.topics or bag.camera_topics
    left_out = [(topic, "there are no images on it") for topic in wanted if topic not in images]
    labelled: list[str] = []
    for topic in sorted(set(wanted) & images):
        is_empty = not bag.topics[topic].message_count
        refusal = "it has no message" if is_empty else reader.refusal(topic)
        if refusal:
            left_out.append((topic, refusal))
        else:
            labelled.append(topic)
    if not wanted:
        depth = [topic for topic in sorted(images) if bag.is_depth(topic)]
        left_out = [(topic, reader.refusal(topic) or "its images are of depth") for topic in depth]
    return labelled, left_out


def _no_images(reader: BagReader, left_out: Sequence[tuple[str, str]]) -> str:
    if left_out:
        return "; ".join(f"{topic}: {reason}" for topic, reason in left_out)
    others = sorted({each.type_name for each in reader.bag.topics.values()})
    told = "; ".join(str(each) for each in reader.bag.remarks)
    return (
        f"it has no topic of images ({' or '.join(IMAGE_TYPES)})"
        f"{f'; it has {_few(others)}' if others else ''}{f'; {told}' if told else ''}"
    )


def _of_video(source: LabelSource, selection: Selection, settings: ReadSettings) -> SourcePlan:
    reader = VideoReader(source.path, settings)
    try:
        rate, promised = reader.video.rate or 1.0, reader.video.promised
        first = reader.video.read()  # that it holds a picture that can be decoded
    finally:
        reader.close()
    assert first is not None, "a video without a picture is refused"
    step = selection.step_at(rate)
    count = promised if 0 < promised <= _MOST_PICTURES else 1
    places = [video_place(index, rate) for index in range(0, count, step)]
    chunks = list(_chunks(source, PICTURES_TOPIC, selection, places, 0))
    chunks[-1] = replace(chunks[-1], open_end=True, step=step)
    return SourcePlan(source, tuple(chunks))


def _of_pictures(source: LabelSource, pictures: Sequence[str], selection: Selection) -> SourcePlan:
    places = [
        FramePlace(index, index * 1_000_000_000, name)
        for index, name in enumerate(pictures)
        if index % selection.every == 0
    ]
    remarks = () if selection.rate is None else ("pictures have no times: all are labelled",)
    chunks = tuple(_chunks(source, PICTURES_TOPIC, selection, places, 0))
    return SourcePlan(source, chunks, remarks=remarks)


def _chunks(
    source: LabelSource,
    topic: str,
    selection: Selection,
    places: Sequence[FramePlace],
    first_number: int,
) -> Iterator[Chunk]:
    lead: FramePlace | None = None
    for number, frames in enumerate(selection.cut(places)):
        if not selection.track:
            yield Chunk(source, topic, first_number + number, frames)
        else:
            yield Chunk(source, topic, first_number + number, frames, number, lead=lead)
            lead = frames[-1]


def _few(names: Sequence[str]) -> str:
    more = len(names) - 5
    return f"{', '.join(names[:5])}{f' and {more} more' if more > 0 else ''}"
