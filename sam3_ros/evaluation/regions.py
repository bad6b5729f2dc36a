"""Regions of annotation files as masks: polygons and run lengths, checked before C code reads them.

pycocotools draws polygons as COCO's own evaluation does, so that masks are the same to the pixel.
It trusts what it is given: four numbers are a box to it, and a corner far away takes its memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_masks

from sam3_ros.core.errors import AnnotationError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths

Mask = npt.NDArray[np.bool_]
#: A mask as pycocotools has it: {"size": [height, width], "counts": bytes}.
Region: TypeAlias = dict[str, Any]

_LEAST_NUMBERS = 6


def region_of(segmentation: Any, size: ImageSize) -> Region:
    """Return the region that a `segmentation` of an annotation file describes.

    size: of the picture. Raises AnnotationError, in a few words without numbers of the case, for
    what is no region of a picture of that size, or has no pixel.
    """
    if isinstance(segmentation, dict):
        region = _of_run_lengths(segmentation, size)
    elif isinstance(segmentation, list):
        region = _of_polygons(segmentation, size)
    else:
        raise AnnotationError("neither polygons nor run lengths")
    if not area_of(region):
        raise AnnotationError("without a pixel")
    return region


def region_of_mask(mask: Mask) -> Region:
    """Return a bool mask [H, W] as a region."""
    region: Region = coco_masks.encode(np.asfortranarray(mask, np.uint8))
    return region


def mask_of(region: Region) -> Mask:
    """Return the bool mask [H, W]."""
    return np.ascontiguousarray(coco_masks.decode(region), np.uint8).astype(np.bool_)


def area_of(region: Region) -> int:
    """Return the number of pixels."""
    return int(coco_masks.area(region))


def overlaps(
    found: Sequence[Region], true: Sequence[Region], crowds: Sequence[bool]
) -> npt.NDArray[np.float64]:
    """Return f64 [found, true]: the IoU; for a crowd the part of what was found that lies in it."""
    if not found or not true:
        return np.zeros((len(found), len(true)))
    table = coco_masks.iou(list(found), list(true), [int(crowd) for crowd in crowds])
    return np.asarray(table, np.float64)


def _of_run_lengths(document: dict[str, Any], size: ImageSize) -> Region:
    try:
        runs = RunLengths.parsed(document)
    except (ValueError, TypeError, OverflowError) as error:
        raise AnnotationError("with run lengths that do not fill their picture") from error
    if runs.size != size:
        raise AnnotationError("with run lengths of another size than their picture's")
    region: Region = coco_masks.frPyObjects(
        {"size": [size.height, size.width], "counts": list(runs.counts)}, size.height, size.width
    )
    return region


def _of_polygons(polygons: list[Any], size: ImageSize) -> Region:
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < _LEAST_NUMBERS or len(polygon) % 2:
            raise AnnotationError("with a polygon of fewer than three corners")
        # A corner may lie a little outside; far outside of it, it is no corner of this picture.
        reach = zip(polygon, (size.width, size.height) * (len(polygon) // 2), strict=True)
        if not all(_is_near(value, side) for value, side in reach):
            raise AnnotationError("with a corner that lies far outside of the picture")
    drawn = coco_masks.frPyObjects(polygons, size.height, size.width)
    region: Region = coco_masks.merge(drawn)
    return region


def _is_near(value: Any, side: int) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and isfinite(value) and -side <= value <= 2 * side
