"""OUT/instances.json: all labels in the form of COCO, for pycocotools and tools of annotation.

An image stands for a message of a bag, a frame of a video or a picture; its file name says which.
Images that could not be answered are left out: they are not images without objects. So are
tracked objects where they are not seen: they have no mask.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from sam3_ros.label.answers import LabelledFrame, LabelledObject
from sam3_ros.label.outputs.answered_frames import answered
from sam3_ros.label.outputs.unfinished import move_into_place, unfinished
from sam3_ros.label.results import LabelledSource, LabelledTopic, RunResults

INSTANCES_NAME = "instances.json"


def write_coco(results: RunResults, out: Path) -> tuple[Path, ...]:
    """Write the file and return it. Memory does not grow with what is labelled.

    Raises ChunkFileError, OSError.
    """
    target = out / INSTANCES_NAME
    with unfinished(out) as folder:
        made, annotations = folder / INSTANCES_NAME, folder / "annotations"
        with (
            made.open("w", encoding="utf-8") as file,
            annotations.open("w+", encoding="utf-8") as rest,
        ):
            file.write(_head(results))
            _write_both(results, file, rest)
            file.write('\n],\n"annotations": [')
            rest.seek(0)
            shutil.copyfileobj(rest, file)
            file.write("\n]}\n")
        move_into_place(made, target)
    return (target,)


def file_name_of(labelled: LabelledSource, topic: LabelledTopic, frame: LabelledFrame) -> str:
    """Return a name that says source, topic, place in the topic, and stamp in ns.

    Of a picture the name that it has in its folder.
    """
    if frame.file:
        return f"{labelled.source.name}/{frame.file}"
    return f"{labelled.source.name}{topic.name}/{frame.index:06d}_{frame.stamp_ns}.png"


def _write_both(results: RunResults, images: TextIO, annotations: TextIO) -> None:
    numbers = {each.prompt_id: each.number for each in results.categories}
    image_id = annotation_id = 0
    for labelled, topic, frame in _frames(results):
        image_id += 1
        images.write(_line(_image(labelled, topic, frame, image_id), image_id == 1))
        for each in frame.objects:
            if each.bounds is None:
                continue
            annotation_id += 1
            document = {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": numbers[each.prompt_id],
                **_annotation(each, frame),
            }
            annotations.write(_line(document, annotation_id == 1))


def _frames(results: RunResults) -> Iterator[tuple[LabelledSource, LabelledTopic, LabelledFrame]]:
    for labelled in results.sources:
        for topic in labelled.topics:
            for frame in answered(labelled, topic):
                yield labelled, topic, frame


def _head(results: RunResults) -> str:
    info = {
        "description": "labels by sam3-ros label",
        "version": results.version,
        "bundle": results.bundle_name,
        "bundle_sha256": results.bundle_sha256,
    }
    categories = [
        {"id": each.number, "name": each.label, "supercategory": "", "prompt_id": each.prompt_id}
        for each in results.categories
    ]
    return (
        f'{{"info": {_json(info)},\n"licenses": [],\n"categories": {_json(categories)},\n'
        '"images": ['
    )


def _image(
    labelled: LabelledSource, topic: LabelledTopic, frame: LabelledFrame, number: int
) -> dict[str, Any]:
    return {
        "id": number,
        "file_name": file_name_of(labelled, topic, frame),
        "width": frame.size.width,
        "height": frame.size.height,
        "bag": labelled.source.name,
        "topic": topic.name,
        "index": frame.index,
        "stamp_ns": frame.stamp_ns,
        "time_ns": frame.time_ns,
        "frame_id": frame.frame_id,
    }


def _annotation(labelled: LabelledObject, frame: LabelledFrame) -> dict[str, Any]:
    assert labelled.bounds is not None
    left, top, right, bottom = labelled.bounds
    track = {} if labelled.track_id is None else {"track_id": labelled.track_id}
    return {
        "segmentation": {"size": list(frame.size), "counts": labelled.counts},
        "area": labelled.area,
        "bbox": [left, top, right - left, bottom - top],
        "iscrowd": 0,
        "score": labelled.score,
        **track,
    }


def _line(document: dict[str, Any], is_first: bool) -> str:
    return f"{'' if is_first else ','}\n{_json(document)}"


def _json(document: Any) -> str:
    # In ASCII: names of files may have bytes that are no text.
    return json.dumps(document, separators=(",", ":"))
