"""What JSON shows of a segment, the same wherever one is written."""

from __future__ import annotations

from typing import Any

from sam3_ros.core.pictures.coco_rle import RunLengths
from sam3_ros.core.segmenter.segments import Segment


def segment_document(
    segment: Segment, label_value: int, mask_file: str | None = None, with_rle: bool = False
) -> dict[str, Any]:
    """Return what JSON shows of a segment that has at least one pixel.

    label_value: of its pixels in the label image. mask_file: the file of its mask, if it has one.
    with_rle: its mask as COCO's run lengths too. `box` is x_min, y_min, x_max, y_max; `bbox` is
    COCO's: x, y, width, height of the mask; px.
    """
    assert segment.bounds is not None
    left, top, right, bottom = map(int, segment.bounds.as_tuple())
    described: dict[str, Any] = {
        "prompt_id": segment.prompt_id,
        "label": segment.label,
        "label_value": label_value,
        "score": round(segment.score, 4),
        "box": [round(corner, 2) for corner in segment.box.as_tuple()],
        "bbox": [left, top, right - left, bottom - top],
        "area": int(segment.mask.sum()),
    }
    if mask_file is not None:
        described["mask"] = mask_file
    if with_rle:
        described["segmentation"] = RunLengths.of(segment.mask).document()
    return described
