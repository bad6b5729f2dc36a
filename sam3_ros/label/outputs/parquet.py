"""OUT/objects.parquet: a row for each object in each image, for DuckDB, pandas, Spark.

Objects that are tracked and not seen have rows too: bounds are null there, and the area 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.core.visible_text import visible
from sam3_ros.label.outputs.answered_frames import answered
from sam3_ros.label.outputs.unfinished import move_into_place, unfinished

if TYPE_CHECKING:
    import pyarrow

    from sam3_ros.label.answers import LabelledFrame, LabelledObject
    from sam3_ros.label.results import LabelledSource, LabelledTopic, RunResults

OBJECTS_NAME = "objects.parquet"
# Of a row group: some 10 MB of masks.
_ROWS = 20_000


def write_parquet(results: RunResults, out: Path) -> tuple[Path, ...]:
    """Write the file and return it. Raises ChunkFileError, OSError."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    target = out / OBJECTS_NAME
    schema = _schema(results)
    rows = _rows(results)
    with unfinished(out) as folder:
        made = folder / OBJECTS_NAME
        with ParquetWriter(made, schema, compression="zstd") as writer:
            while batch := list(islice(rows, _ROWS)):
                writer.write_table(pyarrow.Table.from_pylist(batch, schema))
        move_into_place(made, target)
    return (target,)


def _schema(results: RunResults) -> pyarrow.Schema:
    import pyarrow as pa

    text, whole, real = pa.string(), pa.int64(), pa.float64()
    name = pa.dictionary(pa.int32(), pa.string())
    columns = {
        "bag": name,
        "topic": name,
        "index": whole,
        "stamp_ns": whole,
        "time_ns": whole,
        "frame_id": name,
        "file": text,
        "width": pa.int32(),
        "height": pa.int32(),
        "prompt": name,
        "label": name,
        "score": real,
        # As the model gives it, px.
        **dict.fromkeys(("x_min", "y_min", "x_max", "y_max"), real),
        # Of the mask, px, right and bottom exclusive.
        **dict.fromkeys(("left", "top", "right", "bottom"), pa.int32()),
        "area": whole,
        # COCO's compressed run lengths of a mask of height x width px.
        "rle": text,
        "track_id": whole,
        "track_state": name,
        "bundle_sha256": name,
    }
    metadata = {"sam3_ros.version": results.version, "sam3_ros.bundle": results.bundle_name}
    return pa.schema(list(columns.items()), metadata)


def _rows(results: RunResults) -> Iterator[dict[str, Any]]:
    for labelled in results.sources:
        for topic in labelled.topics:
            for frame in answered(labelled, topic):
                of_frame = _of_frame(labelled, topic, frame)
                for each in frame.objects:
                    yield {**of_frame, **_of_object(each), "bundle_sha256": results.bundle_sha256}


def _of_frame(
    labelled: LabelledSource, topic: LabelledTopic, frame: LabelledFrame
) -> dict[str, Any]:
    return {
        "bag": visible(labelled.source.name),
        "topic": topic.name,
        "index": frame.index,
        "stamp_ns": frame.stamp_ns,
        "time_ns": frame.time_ns,
        "frame_id": visible(frame.frame_id),
        "file": visible(frame.file),
        "width": frame.size.width,
        "height": frame.size.height,
    }


def _of_object(labelled: LabelledObject) -> dict[str, Any]:
    box = zip(("x_min", "y_min", "x_max", "y_max"), labelled.box, strict=True)
    bounds = zip(("left", "top", "right", "bottom"), labelled.bounds or (None,) * 4, strict=True)
    return {
        "prompt": labelled.prompt_id,
        "label": labelled.label,
        "score": labelled.score,
        **dict(box),
        **dict(bounds),
        "area": labelled.area,
        "rle": labelled.counts,
        "track_id": labelled.track_id,
        "track_state": labelled.track_state or None,
    }
