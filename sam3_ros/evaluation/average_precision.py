"""Average precision of masks, as COCO's own code computes it (pycocotools, COCOeval)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sam3_ros.evaluation.answers import Detection
from sam3_ros.evaluation.regions import area_of
from sam3_ros.evaluation.truth import PictureTruth

#: Names of the first figures of COCOeval.stats.
NAMES = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


@dataclass(frozen=True)
class AveragePrecision:
    """Figures in [0, 1]; None where no object is of that kind."""

    #: By NAMES.
    figures: Mapping[str, float | None]
    #: AP of each category that has an object.
    by_category: Mapping[int, float]


def average_precision(
    truths: Iterable[PictureTruth],
    detections: Sequence[Detection],
    categories: Mapping[int, str],
) -> AveragePrecision:
    """Compare detections with the truth of the same pictures."""
    with redirect_stdout(StringIO()):  # it reports its steps there
        judge = COCOeval(*_indexed(list(truths), detections, categories), iouType="segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    figures = {name: _known(judge.stats[place]) for place, name in enumerate(NAMES)}
    # By IoU, recall, category, area and number of answers; -1 where there is no object.
    precision = judge.eval["precision"][:, :, :, 0, -1]
    by_category = {
        int(category): float(np.mean(precision[:, :, place]))
        for place, category in enumerate(judge.params.catIds)
        if precision[:, :, place].min() > -1
    }
    return AveragePrecision(figures, by_category)


def _known(figure: float) -> float | None:
    return float(figure) if figure > -1 else None


def _indexed(
    truths: Sequence[PictureTruth], detections: Sequence[Detection], categories: Mapping[int, str]
) -> tuple[COCO, COCO]:
    """Return truth and detections as pycocotools keeps them."""
    pictures = [
        {"id": each.id, "height": each.size.height, "width": each.size.width} for each in truths
    ]
    named = [{"id": number, "name": name} for number, name in categories.items()]
    true = [
        _entry(truth.id, each.category, each.region, each.area, iscrowd=int(each.is_crowd))
        for truth in truths
        for each in truth.objects
    ]
    found = [
        _entry(each.picture, each.category, each.region, area_of(each.region), score=each.score)
        for each in detections
    ]
    return _coco(pictures, named, true), _coco(pictures, named, found)


def _entry(
    picture: int, category: int, region: dict[str, Any], area: float, **more: Any
) -> dict[str, Any]:
    place = {"image_id": picture, "category_id": category}
    return {**place, "segmentation": region, "area": area, "iscrowd": 0, **more}


def _coco(
    pictures: list[dict[str, Any]], categories: list[dict[str, Any]], entries: list[dict[str, Any]]
) -> COCO:
    coco = COCO()
    # From 1 on: COCOeval takes an object of id 0 for none.
    numbered = [{**entry, "id": number} for number, entry in enumerate(entries, start=1)]
    coco.dataset = {"images": pictures, "categories": categories, "annotations": numbered}
    coco.createIndex()
    return coco
