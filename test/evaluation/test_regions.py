"""Polygons and run lengths become the masks that COCO's code makes of them; the rest is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam3_ros.core.errors import AnnotationError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.evaluation.regions import area_of, mask_of, overlaps, region_of, region_of_mask

SIZE = ImageSize(10, 20)


def box_mask(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def test_polygons_are_drawn_together() -> None:
    region = region_of([[2, 1, 6, 1, 6, 5, 2, 5], [10, 6, 14, 6, 14, 9, 10, 9]], SIZE)
    np.testing.assert_array_equal(mask_of(region), box_mask(1, 5, 2, 6) | box_mask(6, 9, 10, 14))


@pytest.mark.parametrize("compressed", [True, False])
def test_both_forms_of_run_lengths_are_read(compressed: bool) -> None:
    mask = box_mask(3, 7, 5, 9)
    runs = RunLengths.of(mask)
    document = runs.document() if compressed else {"size": [10, 20], "counts": list(runs.counts)}
    np.testing.assert_array_equal(mask_of(region_of(document, SIZE)), mask)


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 1, 5, 5]], "fewer than three corners"),  # pycocotools would take it for a box
        ([[1, 1, 5, 1, 5]], "fewer than three corners"),
        ([["1", 1, 5, 1, 5, 5]], "far outside"),
        ([[1, 1, 1e9, 1, 5, 5]], "far outside"),
        ([[float("nan"), 1, 5, 1, 5, 5]], "far outside"),
        ([[1, 1, 1, 1, 1, 1]], "without a pixel"),
        ([3], "fewer than three corners"),
        ("polygon", "neither polygons nor run lengths"),
        ({"size": [20, 10], "counts": [200]}, "another size"),
        ({"size": [10, 20], "counts": [100, 101]}, "do not fill"),
        ({"size": [10, 20], "counts": [-1, 201]}, "do not fill"),
        ({"size": [10, 20], "counts": [None]}, "do not fill"),
        ({"size": [10, 20], "counts": "zzzz"}, "do not fill"),
        ({"size": [10, 20], "counts": [200]}, "without a pixel"),
        ({"counts": [200]}, "do not fill"),
    ],
)
def test_what_is_no_region_is_refused_before_c_code_reads_it(
    segmentation: Any, reason: str
) -> None:
    with pytest.raises(AnnotationError, match=reason):
        region_of(segmentation, SIZE)


def test_overlap_is_the_iou_and_of_a_crowd_the_part_that_lies_in_it() -> None:
    found = region_of_mask(box_mask(0, 4, 0, 4))
    true = region_of_mask(box_mask(0, 8, 0, 4))
    assert area_of(true) == 32
    np.testing.assert_allclose(overlaps([found], [true, true], [False, True]), [[0.5, 1.0]])
    assert overlaps([], [true], [False]).shape == (0, 1)
