"""What a segmenter answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.masks import mask_bounds


class TrackState(str, Enum):
    """What is known of a tracked object."""

    #: Detected, but not yet detected again.
    TENTATIVE = "tentative"
    #: Seen; it was shown by a person, or detected again.
    CONFIRMED = "confirmed"
    #: Not seen, and looked for.
    OCCLUDED = "occluded"
    #: Not seen for so long that it has probably left.
    LOST = "lost"
    #: No longer tracked; its id is not used again.
    ENDED = "ended"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class TrackStatus:
    """The identity of an object in one image of several."""

    #: From 1; never that of another object while the session lives.
    id: int
    state: TrackState
    #: Answered images since it was born, 0 in its first.
    age: int
    #: For how many images it has not been seen, 0 while it is.
    frames_unseen: int


@dataclass(frozen=True, eq=False, repr=False)
class Segment:
    """One object found in an image, or a tracked one that is not seen in it.

    The latter has an empty mask, no bounds, score 0, and the box where it was seen last.
    """

    prompt_id: str
    label: str
    #: Of a concept prompt the probability that this is an instance; of an interactive prompt the
    #: model's estimate of the mask's IoU, which may lie slightly outside [0, 1].
    score: float
    #: Source-image px. Of a concept prompt the model's own, which may reach past the image's edge;
    #: of an interactive prompt the mask's bounds.
    box: Box
    #: bool [H, W] at the source image's size.
    mask: np.ndarray
    #: The mask's own box, around its True pixels; None where there are none. Computed unless given.
    bounds: Box | None = None
    #: None where it is not tracked.
    track: TrackStatus | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(
                f"a mask must be bool [H, W], got {self.mask.dtype} {list(self.mask.shape)}"
            )
        if not math.isfinite(self.score):
            raise ValueError(f"a score must be finite, got {self.score}")
        if self.bounds is None:
            object.__setattr__(self, "bounds", mask_bounds(self.mask))
        elif self.bounds.clipped_to(self.size) != self.bounds:
            raise ValueError(f"a mask's bounds lie in its image {self.size}, not {self.bounds}")

    def __repr__(self) -> str:
        """Return one line, without the mask's values."""
        corners = ", ".join(f"{corner:.1f}" for corner in self.box.as_tuple())
        height, width = self.size
        track = f", track {self.track.id} {self.track.state}" if self.track else ""
        return (
            f"<Segment {self.label!r}, score {self.score:.3f}, box ({corners}), "
            f"{np.count_nonzero(self.mask)} px of {width}x{height}{track}>"
        )

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the mask outside of which it is False; for indexing arrays."""
        if self.bounds is None:
            return slice(0, 0), slice(0, 0)
        left, top, right, bottom = (int(edge) for edge in self.bounds.as_tuple())
        return slice(top, bottom), slice(left, right)

    @property
    def size(self) -> ImageSize:
        """The size of the source image."""
        return ImageSize(*self.mask.shape)


class Segments(list[Segment]):
    """The list of segments that answers one call, with the seconds that the call took by step.

    Steps are the stages that ran, "preprocess", "tokenize" and "postprocess".
    """

    #: The same segments by prompt, in the order in which the prompts were asked.
    by_prompt: tuple[tuple[Segment, ...], ...]

    def __init__(self, segments: Iterable[Segment], timings: Mapping[str, float]) -> None:
        super().__init__(segments)
        self.timings = dict(timings)
        self.by_prompt = (tuple(self),)

    @classmethod
    def of(cls, answers: Iterable[Iterable[Segment]], timings: Mapping[str, float]) -> Segments:
        """Join the answers to several prompts."""
        by_prompt = tuple(tuple(answer) for answer in answers)
        joined = cls((segment for answer in by_prompt for segment in answer), timings)
        joined.by_prompt = by_prompt
        return joined
