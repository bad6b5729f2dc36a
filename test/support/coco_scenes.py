"""Frames of the shipped bag as annotated pictures, in COCO's form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.replay.bag.bag import open_bag
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.replay.bag.truth import read_truth
from sam3_ros.ros.launching.shared_files import demo_bag

IMAGES = "/camera/image/compressed"


@dataclass(frozen=True, eq=False)
class AnnotatedScenes:
    """A folder of pictures with their annotations, and the masks that these were made of."""

    folder: Path
    file: Path
    document: dict[str, Any]
    #: By picture and object: bool [H, W].
    masks: dict[str, dict[str, np.ndarray]]

    def changed(self, path: Path, **parts: Any) -> Path:
        """Write the annotations with other parts, beside or in place of those there are."""
        path.write_text(json.dumps({**self.document, **parts}))
        return path


def write_annotated_scenes(folder: Path, frames: int, absent: tuple[str, ...]) -> AnnotatedScenes:
    """Write frames of the front camera, spread over the bag, as they were recorded.

    absent: categories beside those of the objects.
    """
    pictures, annotations = [], []
    masks: dict[str, dict[str, np.ndarray]] = {}
    with open_bag(demo_bag()) as bag:
        truth = read_truth(bag, IMAGES)
        assert truth is not None
        names = [*sorted({str(each) for each in truth.objects.values()}), *absent]
        recorded = list(bag.messages([IMAGES]))
        for number, message in enumerate(recorded[:: len(recorded) // frames][:frames]):
            labels = truth.labels[read_header(message.cdr).stamp_ns]
            name = f"frame_{number}.jpg"
            (folder / name).write_bytes(bytes(bag.decode(message).data))
            height, width = labels.shape
            pictures.append({"id": number, "file_name": name, "height": height, "width": width})
            masks[name] = {str(kind): labels == n for n, kind in truth.objects.items()}
            for kind, mask in masks[name].items():
                if mask.any():
                    entry = _annotation(len(annotations), number, names.index(kind), mask)
                    annotations.append(entry)
    document = {
        "images": pictures,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    file = folder / "instances.json"
    file.write_text(json.dumps(document))
    return AnnotatedScenes(folder, file, document, masks)


def _annotation(number: int, picture: int, category: int, mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.nonzero(mask)
    left, top = int(columns.min()), int(rows.min())
    size = int(columns.max()) + 1 - left, int(rows.max()) + 1 - top
    return {
        "id": number,
        "image_id": picture,
        "category_id": category,
        "segmentation": RunLengths.of(mask).document(),
        "area": int(mask.sum()),
        "bbox": [left, top, *size],
        "iscrowd": 0,
    }
