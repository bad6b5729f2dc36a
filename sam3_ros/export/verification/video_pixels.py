"""Cuts the pixels of prompted frames that rounding alone decides as the original cut them.

Which these are, and what is allowed, is in undecided_pixels.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from sam3_ros.core.bundle.manifest import VideoSettings
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Floats
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import Attended
from sam3_ros.core.tracking.memory.memory_masks import cut_logits, mask_values
from sam3_ros.core.tracking.memory.object_memory import ObjectMemory
from sam3_ros.core.tracking.memory.stages import FrameAnswer, VideoStages
from sam3_ros.export.verification.reference_figure import beyond_half_precision
from sam3_ros.export.verification.undecided_pixels import (
    MOST_TRIED,
    Difference,
    cut_otherwise,
    undecided_pixels,
)
from sam3_ros.export.verification.video_case import VideoCase
from sam3_ros.export.verification.video_group import CutMask

# No pixel was cut otherwise where the next frame's mask logits are so near.
_NEAR_ENOUGH = 2e-4

#: A tracked frame: its answer, what was attended to, and the features conditioned on it.
Seen: TypeAlias = tuple[FrameAnswer, Attended, Array]
#: Frame, row and column of a mask.
_Pixel: TypeAlias = tuple[int, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Settled:
    """The first tracked frame of an object, with pixels of prompted frames cut otherwise."""

    memory: ObjectMemory
    seen: Seen
    #: How many pixels.
    turned: int


class PixelSettling:
    """Tries pixels against the original's answer to the first tracked frame."""

    def __init__(
        self,
        stages: VideoStages,
        video: VideoSettings,
        seen: Callable[[VideoCase, ObjectMemory, int], Seen],
        image: Callable[[VideoCase, int], ImageEmbedding],
    ) -> None:
        """seen: answers a tracked frame by a memory; image: of a frame of a case."""
        self._stages = stages
        self._video = video
        self._seen = seen
        self._image = image

    def settled(
        self,
        case: VideoCase,
        cut: Mapping[int, CutMask],
        memory: ObjectMemory,
        frame: int,
        row: int,
        seen: Seen,
    ) -> Settled:
        """Return the frame with the pixels turned that bring it nearer to the original's, if any.

        cut: the object's masks in prompted frames, by frame. row: of the original's answer.
        """
        expected = case.answers["masks"][row]
        logits = stored_part(case, seen[0]).astype(np.float64)
        wanted = expected.astype(np.float64) - logits
        tried: list[_Pixel] = []
        changes: list[Difference] = []
        taken: list[int] = []
        for pixel in _to_try(cut):
            reached = logits + sum(changes[number] for number in taken)
            if beyond_half_precision(reached, expected) < _NEAR_ENOUGH:
                break
            _, other = self._with_turned(case, cut, memory, frame, [pixel])
            tried.append(pixel)
            changes.append(stored_part(case, other[0]).astype(np.float64) - logits)
            taken = cut_otherwise(wanted, changes)
        unchanged = Settled(memory, seen, 0)
        if not taken:
            return unchanged
        turned = [tried[each] for each in taken]
        made, other = self._with_turned(case, cut, memory, frame, turned)
        left = expected - stored_part(case, other[0]).astype(np.float64)
        if np.sum(left * left) >= np.sum(wanted * wanted):
            return unchanged
        return Settled(made, other, len(turned))

    def _with_turned(
        self,
        case: VideoCase,
        cut: Mapping[int, CutMask],
        memory: ObjectMemory,
        frame: int,
        turned: Sequence[_Pixel],
    ) -> tuple[ObjectMemory, Seen]:
        """Return memory and answer of a frame with pixels of prompted frames cut otherwise."""
        for prompted in sorted({each for each, _ in turned}):
            known = memory.at(prompted)
            assert known is not None
            places = [place for each, place in turned if each == prompted]
            logits = cut[prompted].with_turned(places)
            masks = mask_values(logits[None], self._video, prompted=True)
            image = self._image(case, prompted)
            (made,) = self._stages.remembered(image, masks, [cut[prompted].object_score])
            memory = memory.added(replace(known, memory=made), rules=None)
        return memory, self._seen(case, memory, frame)


def undecided_in(logits: Floats, video: VideoSettings) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield, for each object of mask logits f32[P,h,w], the pixels that rounding decides."""
    own = np.concatenate([cut_logits(each[None], video, prompted=True) for each in logits])
    for number, each in enumerate(own):
        others = np.delete(own, number, axis=0)
        found = undecided_pixels(each, others.max(axis=0) if len(others) else None)
        yield tuple((row, column) for _, row, column in found)


def stored_part(case: VideoCase, answer: FrameAnswer) -> Floats:
    """Return the mask logits that the case holds the original's of."""
    stride = int(case.answers.get("mask_stride", np.array(1)))
    return answer.mask_logits[::stride, ::stride]


def _to_try(cut: Mapping[int, CutMask]) -> list[_Pixel]:
    return [(frame, place) for frame, each in cut.items() for place in each.undecided[:MOST_TRIED]]
