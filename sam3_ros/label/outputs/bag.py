"""A bag of labels beside each bag: what the node would have published, at the images' times.

OUT/bags/<name of the source>/ is a rosbag2 folder in mcap. `ros2 bag play` of both bags lines up:
each message has its image's time of recording and its header. Its metadata is of version 8, which
Humble reads too, and mcap compresses its chunks by itself, which Foxglove reads.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sam3_ros.core.errors import Sam3RosError
from sam3_ros.core.pictures.segment_numbers import pixel_values
from sam3_ros.label.answers import LabelledFrame
from sam3_ros.label.chunk import SourceKind
from sam3_ros.label.outputs.answered_frames import SegmentsOfFrames, answered
from sam3_ros.label.outputs.label_messages import (
    IMAGE,
    SEGMENT_SCORES,
    SEGMENTS,
    LabelMessages,
    label_typestore,
)
from sam3_ros.label.outputs.label_topics import IMAGES_OF, label_roots
from sam3_ros.label.outputs.unfinished import move_into_place, unfinished
from sam3_ros.label.results import LabelledSource, RunResults

if TYPE_CHECKING:
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer

BAGS_NAME = "bags"
#: By output, the type of its messages.
OUTPUTS: Mapping[str, str] = {"mask": IMAGE, "segments": SEGMENTS, "scores": SEGMENT_SCORES}
_MOST_PROMPTS = 254  # of SegmentScore.label_value
_METADATA_NAME = "metadata.yaml"


def require_numbered(prompts: int) -> None:
    """Raise Sam3RosError for more prompts than a label value can number."""
    if prompts > _MOST_PROMPTS:
        raise Sam3RosError(
            f"the messages of a bag number at most {_MOST_PROMPTS} prompts, got {prompts}: leave "
            "mcap out of --formats, or ask fewer"
        )


def write_bags(results: RunResults, out: Path) -> tuple[Path, ...]:
    """Write a bag for each source that is a bag and has answers; return their files.

    Raises Sam3RosError for more prompts than a label value can number; ChunkFileError; OSError.
    """
    require_numbered(len(results.categories))
    written: list[Path] = []
    for labelled in results.sources:
        if labelled.source.kind is SourceKind.BAG:
            written += _write_bag(labelled, results, out)
    return tuple(written)


def _write_bag(labelled: LabelledSource, results: RunResults, out: Path) -> tuple[Path, ...]:
    name = Path(labelled.source.name)
    with unfinished(out) as folder:
        made = folder / name.name
        if not _fill(made, labelled, results):
            return ()
        target = out / BAGS_NAME / name
        files = tuple(target / file for file in (f"{name.name}.mcap", _METADATA_NAME))
        for file in files:  # one by one: the folder may hold that of another source
            move_into_place(made / file.name, file)
        return files


def _fill(folder: Path, labelled: LabelledSource, results: RunResults) -> bool:
    """Write the bag; return False where it has no message."""
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    writer = Writer(folder, version=8, storage_plugin=StoragePlugin.MCAP)
    writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    for key, value in _provenance(labelled, results).items():
        writer.set_custom_data(key, value)
    has_messages = False
    with writer:
        connections = _connections(writer, labelled)
        values = {each.prompt_id: each.number for each in results.categories}
        for time_ns, topic, messages in _in_time_order(labelled, values, results.is_tracked):
            for output, cdr in messages.items():
                writer.write(connections[topic, output], time_ns, cdr)
                has_messages = True
    return has_messages


def _connections(writer: Writer, labelled: LabelledSource) -> dict[tuple[str, str], Connection]:
    roots = _roots(labelled)
    return {
        (topic, output): writer.add_connection(
            f"{root}/{output}", kind, typestore=label_typestore()
        )
        for topic, root in roots.items()
        for output, kind in OUTPUTS.items()
    }


def _provenance(labelled: LabelledSource, results: RunResults) -> dict[str, str]:
    return {
        "sam3_ros.version": results.version,
        "sam3_ros.bundle": results.bundle_name,
        "sam3_ros.bundle_sha256": results.bundle_sha256,
        "sam3_ros.labels_of": labelled.source.name,
        **{IMAGES_OF + root: topic for topic, root in _roots(labelled).items()},
    }


def _roots(labelled: LabelledSource) -> dict[str, str]:
    return label_roots([topic.name for topic in labelled.topics])


_Timed = tuple[int, str, dict[str, bytes | memoryview]]


def _in_time_order(
    labelled: LabelledSource, values: Mapping[str, int], is_tracked: bool
) -> Iterator[_Timed]:
    """Yield time of recording, topic and messages of each image of all topics."""

    def of_topic(name: str, frames: Iterator[LabelledFrame]) -> Iterator[_Timed]:
        made = SegmentsOfFrames()
        for frame in frames:
            segments = made.segments(frame)
            numbers = pixel_values(segments, is_tracked)
            messages = LabelMessages(segments, numbers, values, frame.size)
            yield frame.time_ns, name, messages.made(frame.stamp_ns, frame.frame_id)

    each = [of_topic(topic.name, answered(labelled, topic)) for topic in labelled.topics]
    return heapq.merge(*each, key=lambda timed: timed[:2])
