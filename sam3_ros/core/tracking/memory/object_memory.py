"""What is kept of one object: bounded, immutable, and cheap to copy."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.core.errors import BundleError
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import (
    Attended,
    MemoryRules,
    attended_frames,
    nearest_prompted,
    newest_of_quality,
)

_NAMES = (
    "frames",
    "prompted",
    "quality",
    "pointers",
    "has_memory",
    "memories",
    "has_mask",
    "masks",
)


@dataclass(frozen=True, eq=False)
class RememberedFrame:
    """What is kept of an object in one frame."""

    #: Counted from the object's first image, without end.
    frame: int
    prompted: bool
    #: f32[D]
    pointer: Array
    #: f32[m,g,g]; None where it is too old to be attended to.
    memory: Array | None
    #: f32[h,w], the mask that answered, for clicks on the same frame; None of older frames.
    mask_logits: Array | None = None
    #: For selection: the certainty that the object is there, times the mask's IoU.
    quality: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.pointer, self.memory, self.mask_logits)
        return sum(each.nbytes for each in arrays if each is not None)


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """The frames that are kept of one object; adding one makes another ObjectMemory."""

    #: In the order in which they were added; a frame that is prompted again keeps its place.
    frames: tuple[RememberedFrame, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(each.nbytes for each in self.frames)

    @property
    def newest(self) -> int:
        """The newest frame. Raises ValueError for a memory without any."""
        return max(each.frame for each in self.frames)

    def at(self, frame: int) -> RememberedFrame | None:
        """Return what is kept of a frame, None for nothing."""
        return next((each for each in self.frames if each.frame == frame), None)

    def added(self, new: RememberedFrame, rules: MemoryRules | None) -> ObjectMemory:
        """Return this memory with a frame more, in place of an older answer to the same frame.

        Without what the rules no longer attend to from the next frame on; None: keep all, for one
        who goes back to earlier frames.
        """
        old = self.at(new.frame)
        if old is not None and old.prompted and new.prompted:
            frames = tuple(new if each is old else each for each in self.frames)
        else:
            frames = (*(each for each in self.frames if each is not old), new)
        if rules is None:
            return ObjectMemory(frames)
        return ObjectMemory(tuple(_kept(frames, new, rules)))

    def attended(self, frame: int, rules: MemoryRules) -> Attended:
        """Return what the model attends to in a frame, which may be a prompted one itself."""
        prompted = [each.frame for each in self.frames if each.prompted]
        tracked = {each.frame: each.quality for each in self.frames if not each.prompted}
        found = attended_frames(rules, frame, prompted, tracked)
        here = {each.frame for each in self.frames if each.memory is not None}
        return replace(found, memories=tuple(m for m in found.memories if m.frame in here))

    def feeds(self, attended: Attended, rules: MemoryRules) -> dict[str, Array]:
        """Return the inputs of the memory attention.

        memories f32[M,m,g,g], memory_ages int64[M], object_pointers f32[K,D], pointer_ages f32[K].
        Raises ValueError for a memory without any frame.
        """
        if not attended.memories:
            raise ValueError("an object without a remembered frame cannot be followed")
        by_frame = {each.frame: each for each in self.frames}
        memories = [by_frame[each.frame].memory for each in attended.memories]
        pointers = [by_frame[each.frame].pointer for each in attended.pointers]
        ages = np.array([each.age for each in attended.pointers], np.float32)
        width = self.frames[0].pointer.size
        return {
            "memories": np.stack([each for each in memories if each is not None]),
            "memory_ages": np.array([each.age for each in attended.memories], np.int64),
            "object_pointers": np.array(pointers, np.float32).reshape(-1, width),
            "pointer_ages": ages / np.float32(rules.pointer_divisor),
        }

    def saved(self) -> dict[str, Array]:
        """Return arrays from which `restored` makes the same memory."""
        memories = [each.memory for each in self.frames if each.memory is not None]
        masks = [each.mask_logits for each in self.frames if each.mask_logits is not None]
        nothing = np.zeros((0, 0, 0, 0), np.float32)
        return {
            "frames": np.array([each.frame for each in self.frames], np.int64),
            "prompted": np.array([each.prompted for each in self.frames], np.bool_),
            "quality": np.array([each.quality for each in self.frames], np.float64),
            "pointers": np.stack([each.pointer for each in self.frames]),
            "has_memory": np.array([each.memory is not None for each in self.frames], np.bool_),
            "memories": np.stack(memories) if memories else nothing,
            "has_mask": np.array([each.mask_logits is not None for each in self.frames], np.bool_),
            "masks": np.stack(masks) if masks else nothing[0],
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> ObjectMemory:
        """Return the memory that `saved` wrote. Raises BundleError for other arrays."""
        if missing := [name for name in _NAMES if name not in arrays]:
            raise BundleError(f"a saved object memory lacks {', '.join(missing)}: add it anew")
        count = len(arrays["frames"])
        of_frames = ("prompted", "quality", "pointers", "has_memory", "has_mask")
        counts = {name: len(arrays[name]) for name in of_frames}
        counts["memories"] = len(arrays["memories"]) + int(np.sum(~arrays["has_memory"]))
        counts["masks"] = len(arrays["masks"]) + int(np.sum(~arrays["has_mask"]))
        wrong = {name: found for name, found in counts.items() if found != count}
        if wrong or not count or len(set(arrays["frames"].tolist())) != count:
            raise BundleError(
                f"a saved object memory of {count} frames has others in {wrong or 'its numbers'}: "
                f"add the object anew"
            )
        return cls(tuple(_frames_of(arrays)))


def _kept(
    frames: tuple[RememberedFrame, ...], new: RememberedFrame, rules: MemoryRules
) -> Iterator[RememberedFrame]:
    """Yield what may be attended to in a frame after the newest, without the rest."""
    following = max(each.frame for each in frames) + 1
    prompted = [each.frame for each in frames if each.prompted]
    fixed = nearest_prompted(prompted, following, rules.prompted)
    seen: Container[int]
    named: Container[int]
    if rules.selection is None:
        seen = range(following - rules.memories, following)
        named = range(following - rules.pointers + 1, following)
    else:
        quality = {each.frame: each.quality for each in frames if not each.prompted}
        good = newest_of_quality(rules, quality, quality)
        named = {*good, following - 1}
        seen = {*good[-rules.memories :], following - 1}
    for each in frames:
        mask = each.mask_logits if each is new else None
        if each.frame in fixed or each.frame in seen:
            yield replace(each, mask_logits=mask)
        elif each.frame in named:
            yield replace(each, memory=None, mask_logits=mask)


def _frames_of(arrays: Mapping[str, Array]) -> Iterator[RememberedFrame]:
    memories, masks = iter(arrays["memories"]), iter(arrays["masks"])
    for place, frame in enumerate(arrays["frames"].tolist()):
        yield RememberedFrame(
            frame=frame,
            prompted=bool(arrays["prompted"][place]),
            pointer=arrays["pointers"][place].copy(),
            memory=next(memories).copy() if arrays["has_memory"][place] else None,
            mask_logits=next(masks).copy() if arrays["has_mask"][place] else None,
            quality=float(arrays["quality"][place]),
        )
