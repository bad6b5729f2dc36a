"""Writes unseen scenes as annotated pictures in COCO's form, for `sam3-ros evaluate`.

Pictures are PNG files, so that not a pixel differs from what the evaluation asks. `instances.json`
has every object once, under its colour and shape. `phrases.json` has what the evaluation asks in
words: a category is a phrase, its annotations are the objects that it names, and what is asked for
in vain is in `neg_category_ids`, as LVIS has it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.image_file import write_png
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.core.whole_file import write_whole
from sam3_ros.tabletop_words import COLOUR_NAMES, SHAPE_NAMES
from sam3_ros.training.tabletop.unseen import UNSEEN_SEED, UnseenScene, unseen_scenes

PICTURES, INSTANCES, PHRASES = "pictures", "instances.json", "phrases.json"


def write_annotated_scenes(folder: Path, count: int, seed: int = UNSEEN_SEED) -> None:
    """Write the scenes that `evaluate` asks for the same count and seed."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    instances, phrases = _Annotations(), _Annotations()
    for number, unseen in enumerate(unseen_scenes(count, seed), start=1):
        name = f"{number:05d}.png"
        write_png(folder / PICTURES / name, unseen.picture)
        instances.add_picture(number, name, unseen.picture)
        for kind, each in zip(unseen.kinds, unseen.objects, strict=True):
            label = f"{COLOUR_NAMES[kind[0]]} {SHAPE_NAMES[kind[1]]}"
            instances.add(number, label, each.mask)
        _add_phrases(phrases, number, name, unseen)
    write_whole(folder / INSTANCES, json.dumps(instances.document()) + "\n")
    write_whole(folder / PHRASES, json.dumps(phrases.document()) + "\n")


class _Annotations:
    """The parts of an annotation file, as it grows."""

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories: dict[str, int] = {}

    def add_picture(self, number: int, name: str, rgb: np.ndarray, **more: Any) -> None:
        height, width = rgb.shape[:2]
        self._images.append(
            {"id": number, "file_name": name, "width": width, "height": height, **more}
        )

    def category(self, name: str) -> int:
        return self._categories.setdefault(name, len(self._categories) + 1)

    def add(self, picture: int, category: str, mask: np.ndarray) -> None:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": picture,
                "category_id": self.category(category),
                "segmentation": RunLengths.of(mask).document(),
                "area": int(mask.sum()),
                "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
                "iscrowd": 0,
            }
        )

    def document(self) -> dict[str, Any]:
        named = [{"id": number, "name": name} for name, number in self._categories.items()]
        return {
            "info": {"description": "tabletop scenes that training did not see"},
            "images": self._images,
            "annotations": self._annotations,
            "categories": named,
        }


def _add_phrases(phrases: _Annotations, number: int, name: str, unseen: UnseenScene) -> None:
    absent = sorted({phrases.category(phrase.text) for phrase in unseen.absent})
    phrases.add_picture(number, name, unseen.picture, neg_category_ids=absent)
    for phrase in {each.text: each for each in unseen.present}.values():
        for place in unseen.named_by(phrase):
            phrases.add(number, phrase.text, unseen.objects[place].mask)
