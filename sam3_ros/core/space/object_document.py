"""What JSON shows of an object in space."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from sam3_ros.core.space.spatial_object import SpatialObject


def object_document(found: SpatialObject) -> dict[str, Any]:
    """Return plain data, m in the object's frame; `centre` and `box` are None without a place."""
    box = found.box
    return {
        "frame": found.frame,
        "centre": None if found.centre is None else _rounded(found.centre),
        "box": None
        if box is None
        else {
            "centre": _rounded(box.centre),
            "size": _rounded(box.size),
            "quaternion": _rounded(box.quaternion, 6),
            "stands_on": str(box.stance),
        },
        "covariance": None if found.covariance is None else _rounded(found.covariance.ravel(), 10),
        "mask_pixels": found.mask_pixels,
        "valid_pixels": found.valid_pixels,
        "spread": round(found.spread, 5),
        "quality": round(found.quality, 3),
        "remarks": [str(remark) for remark in found.remarks],
    }


def _rounded(values: npt.NDArray[Any], digits: int = 5) -> list[float]:
    return [round(float(value), digits) for value in values]
