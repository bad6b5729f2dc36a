"""The inside of a mask: its rim left out, where pixels mix an object with what is behind it."""

from __future__ import annotations

from sam3_ros.core.geometry import ImageSize

_WIDEST_OF_IMAGE = 320


def rim_width(size: ImageSize) -> int:
    """Return how wide the rim of flying pixels is in an image of this size, px: 2 in 640x480."""
    return max(1, round(max(size) / _WIDEST_OF_IMAGE))
