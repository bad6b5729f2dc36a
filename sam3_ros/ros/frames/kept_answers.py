"""What a frame was answered with, kept small: of each mask the bits inside its bounds.

The masks of 254 prompts in a frame of 640x480 px are 78 MB, far more than its pixels and features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.prompts.active import ActivePrompt

Answers: TypeAlias = dict[ActivePrompt, tuple[Segment, ...]]


@dataclass(frozen=True, eq=False)
class _KeptSegment:
    """A segment; its mask is made anew when it is needed."""

    #: All fields of the segment but its mask.
    fields: Mapping[str, Any]
    #: Of the mask: rows and columns, and the window outside of which it is False.
    shape: tuple[int, ...]
    window: tuple[slice, slice]
    #: uint8 [rows of the window, bytes]; eight pixels a byte.
    bits: np.ndarray

    @classmethod
    def of(cls, segment: Segment) -> _KeptSegment:
        fields = {name: value for name, value in vars(segment).items() if name != "mask"}
        mask, window = segment.mask, segment.window
        return cls(fields, mask.shape, window, np.packbits(mask[window], axis=1))

    def segment(self) -> Segment:
        mask = np.zeros(self.shape, bool)
        columns = self.window[1].stop - self.window[1].start
        mask[self.window] = np.unpackbits(self.bits, axis=1, count=columns).view(bool)
        return Segment(mask=mask, **self.fields)


class KeptAnswers:
    """The prompts of a frame with what was found for each, in their order; never changed."""

    def __init__(self, answers: Answers | None = None) -> None:
        self._kept = {
            active: tuple(map(_KeptSegment.of, found)) for active, found in (answers or {}).items()
        }
        #: Bytes of the masks.
        self.nbytes = sum(each.bits.nbytes for found in self._kept.values() for each in found)

    def __contains__(self, active: ActivePrompt) -> bool:
        return active in self._kept

    def of(self, wanted: Callable[[ActivePrompt], bool]) -> Answers:
        """Return the answers of those prompts for which wanted() is true, as they were."""
        return {
            active: tuple(each.segment() for each in found)
            for active, found in self._kept.items()
            if wanted(active)
        }
