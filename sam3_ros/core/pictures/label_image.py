"""Segments as label image, instance image and confidence image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.segments import Segment

Labels = npt.NDArray[np.unsignedinteger[Any]]


class PaintedSegments:
    """Which segment shows at each pixel: painted once, and read as several pictures.

    Where segments overlap, the one with the highest score shows, and of equal ones the earlier.
    """

    def __init__(self, segments: Sequence[Segment], size: ImageSize | tuple[int, int]) -> None:
        """Paint the segments of an image of this size.

        Raises ValueError for a mask of another size, and for more than 65,535 segments.
        """
        highest = np.iinfo(np.uint16).max
        if len(segments) > highest:
            raise ValueError(f"expected at most {highest} segments, got {len(segments)}")
        self._segments = segments
        self._window = _around(segments)
        # 8 bits where they are enough: painting and looking up are faster.
        self._numbers = np.zeros(size, np.uint8 if len(segments) < 256 else np.uint16)
        numbered = sorted(enumerate(segments, start=1), key=lambda pair: -pair[1].score)
        for number, segment in reversed(numbered):  # the best is painted last
            if segment.mask.shape != self._numbers.shape:
                raise ValueError(
                    f"the masks must have the label image's size {tuple(size)}, got "
                    f"{segment.mask.shape} for prompt {segment.prompt_id!r}"
                )
            window = segment.window
            if segment.bounds is not None:
                part = self._numbers[window]
                cv2.copyTo(np.full_like(part, number), segment.mask[window].view(np.uint8), part)

    def labels(self, values: Mapping[str, int], dtype: npt.DTypeLike = np.uint8) -> Labels:
        """Return one value per prompt, [H, W] of an unsigned dtype; 0 = nothing.

        values: prompt id to value. Raises ValueError for a prompt without a value, and for a value
        that is 0 or does not fit the dtype.
        """
        highest = _highest(np.dtype(dtype))
        for prompt_id in dict.fromkeys(segment.prompt_id for segment in self._segments):
            if prompt_id not in values:
                raise ValueError(
                    f"no label value for prompt {prompt_id!r}; there are {dict(values)}"
                )
            if not 1 <= values[prompt_id] <= highest:
                raise ValueError(f"a label value must be in 1..{highest}, got {values[prompt_id]}")
        return self._read([values[segment.prompt_id] for segment in self._segments], dtype)

    def instances(self, values: Sequence[int] | None = None) -> Labels:
        """Return one value per segment; uint16 [H, W], 0 = nothing.

        values: of each segment, 1 to 65,535; without them its place in the list, from 1.
        """
        if values is None:
            return self._numbers.astype(np.uint16)
        return self._read(values, np.uint16)

    def confidences(self) -> Labels:
        """Return 255 x the score of the segment that shows, clipped to 0..1; uint8 [H, W]."""
        scores = np.clip([segment.score for segment in self._segments], 0, 1)
        return self._read(np.rint(scores * 255).tolist(), np.uint8)

    def _read(self, values: Sequence[float], dtype: npt.DTypeLike) -> Labels:
        picture: Labels = np.zeros(self._numbers.shape, dtype)
        # The lookup dominates; do it only inside the window, outside of which there is nothing.
        picture[self._window] = _looked_up(self._numbers[self._window], values, picture.dtype)
        return picture


def _looked_up(numbers: Labels, values: Sequence[float], dtype: np.dtype[Any]) -> Labels:
    """Return the value of each number, counted from 1; 0 where the number is 0."""
    if numbers.dtype == np.uint16 or numbers.size == 0:
        return np.array([0, *values], dtype)[numbers]
    table = np.zeros(256, dtype)
    table[1 : len(values) + 1] = values
    if table.itemsize > 2:
        return table[numbers]
    # Seven times as fast as numpy.
    return np.asarray(cv2.LUT(numbers, table), dtype)


def _around(segments: Sequence[Segment]) -> tuple[slice, slice]:
    """Return rows and columns outside of which no mask is True."""
    bounds = [segment.bounds for segment in segments if segment.bounds is not None]
    if not bounds:
        return slice(0, 0), slice(0, 0)
    top, bottom = min(box.y_min for box in bounds), max(box.y_max for box in bounds)
    left, right = min(box.x_min for box in bounds), max(box.x_max for box in bounds)
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _highest(dtype: np.dtype[Any]) -> int:
    if dtype.kind != "u":
        raise ValueError(f"a label image has an unsigned integer dtype, not {dtype}")
    return int(np.iinfo(dtype).max)


def label_image(
    segments: Sequence[Segment],
    values: Mapping[str, int],
    size: ImageSize | tuple[int, int],
    dtype: npt.DTypeLike = np.uint8,
) -> Labels:
    """Return PaintedSegments.labels. Raises ValueError as PaintedSegments and labels do."""
    return PaintedSegments(segments, size).labels(values, dtype)
