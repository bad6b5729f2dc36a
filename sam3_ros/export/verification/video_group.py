"""Objects of a reference video that are tracked together, as the original keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sam3_ros.core.segmenter.masks import Floats, Mask
from sam3_ros.core.tracking.memory.object_memory import ObjectMemory
from sam3_ros.core.tracking.memory.stages import FrameAnswer


@dataclass(frozen=True, eq=False)
class CutMask:
    """An object's mask in a prompted frame, where its memory is made of it."""

    #: f32[h,w], above 0 inside
    logits: Floats
    #: Row and column of pixels that rounding decides, the nearest to 0 first.
    undecided: tuple[tuple[int, int], ...]
    #: Logit, of the frame's answer.
    object_score: float

    def with_turned(self, places: Sequence[tuple[int, int]]) -> Floats:
        """Return the logits with these pixels on the other side of 0."""
        turned = self.logits.copy()
        for place in places:
            turned[place] = -1 if turned[place] > 0 else 1
        return turned


@dataclass
class TrackedGroup:
    """Objects that are tracked as one batch."""

    objects: dict[int, ObjectMemory] = field(default_factory=dict)
    answers: dict[tuple[int, int], FrameAnswer] = field(default_factory=dict)
    #: By frame and object: shown, and not yet in the memories.
    pending: dict[tuple[int, int], FrameAnswer] = field(default_factory=dict)
    #: Of pending answers that are given masks.
    masks: dict[tuple[int, int], Mask] = field(default_factory=dict)
    #: Frames that tracking has come by.
    visited: set[int] = field(default_factory=set)
    #: Tracked frames whose answers clicks no longer see; tracking does.
    cleared: set[int] = field(default_factory=set)
    #: Of pending answers, those that are the original's but for their own rounding.
    equal: set[tuple[int, int]] = field(default_factory=set)
    #: By frame and object, of equal answers; until the next frame is tracked.
    cut: dict[tuple[int, int], CutMask] = field(default_factory=dict)

    def copied(self) -> TrackedGroup:
        """Return a group that may go on differently; what it holds never changes."""
        return TrackedGroup(
            dict(self.objects),
            dict(self.answers),
            dict(self.pending),
            dict(self.masks),
            set(self.visited),
            set(self.cleared),
            set(self.equal),
            dict(self.cut),
        )

    def is_prompted(self, frame: int) -> bool:
        return any(
            (found := memory.at(frame)) is not None and found.prompted
            for memory in self.objects.values()
        )
