"""Segments as one picture of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segments import Segment

Labels = npt.NDArray[np.unsignedinteger]


def label_image(
    segments: Sequence[Segment],
    values: Mapping[str, int],
    size: ImageSize | tuple[int, int],
    dtype: npt.DTypeLike = np.uint8,
) -> Labels:
    """One value per prompt, [H, W] of an unsigned dtype; 0 = nothing.

    values: prompt id to value. Where segments overlap, the one with the highest score shows, and
    of equal ones the earlier. Raises ValueError for a prompt without a value, a value that is 0 or
    does not fit the dtype, and a mask of another size.
    """
    for prompt_id in dict.fromkeys(segment.prompt_id for segment in segments):
        if prompt_id not in values:
            raise ValueError(f"no label value for prompt {prompt_id!r}; there are {dict(values)}")
    return _painted(segments, [values[segment.prompt_id] for segment in segments], size, dtype)


def instance_image(segments: Sequence[Segment], size: ImageSize | tuple[int, int]) -> Labels:
    """One value per segment, uint16 [H, W]: its place in the list, from 1; 0 = nothing.

    Overlaps and errors as in label_image.
    """
    return _painted(segments, range(1, len(segments) + 1), size, np.uint16)


def _painted(
    segments: Sequence[Segment],
    values: Sequence[int],
    size: tuple[int, int],
    dtype: npt.DTypeLike,
) -> Labels:
    labels = np.zeros(size, dtype)
    if labels.dtype.kind != "u":
        raise ValueError(f"a label image has an unsigned integer dtype, not {labels.dtype}")
    highest = np.iinfo(labels.dtype).max
    pairs = sorted(zip(segments, values, strict=True), key=lambda pair: -pair[0].score)
    for segment, value in reversed(pairs):  # the best is painted last
        if not 1 <= value <= highest:
            raise ValueError(f"a label value must be in 1..{highest}, got {value}")
        if segment.mask.shape != labels.shape:
            raise ValueError(
                f"the masks must have the label image's size {tuple(size)}, got "
                f"{segment.mask.shape} for prompt {segment.prompt_id!r}"
            )
        np.copyto(labels, labels.dtype.type(value), where=segment.mask)
    return labels
