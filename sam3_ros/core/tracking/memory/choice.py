"""Which past frames of an object the model attends to, and what it takes for their ages.

Source: facebookresearch/sam3, sam3/model/sam3_tracker_base.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sam3_ros.core.bundle.manifest import VideoSettings


@dataclass(frozen=True)
class MemoryRules:
    """How far back a memory reaches. VideoSettings says what the numbers mean."""

    memories: int = 6
    prompted: int = 4
    pointers: int = 16
    pointer_divisor: int = 15
    selection: float | None = None

    def __post_init__(self) -> None:
        for name in ("memories", "prompted", "pointers", "pointer_divisor"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @classmethod
    def of(cls, settings: VideoSettings, memory_frames: int | None = None) -> MemoryRules:
        """Return the rules of a model; memory_frames: use fewer memories than it was trained with.

        Raises ValueError for memory_frames below 1.
        """
        most = settings.memories
        return cls(
            memories=most if memory_frames is None else min(memory_frames, most),
            prompted=settings.prompted,
            pointers=settings.pointers,
            pointer_divisor=settings.pointer_divisor,
            selection=settings.selection,
        )


@dataclass(frozen=True)
class AttendedFrame:
    """A past frame."""

    frame: int
    #: Of a memory: 0 for a prompted frame, else its place (1 for the last frame). Of a pointer: how
    #: many frames ago, or its rank with selection; not divided yet.
    age: int
    prompted: bool


@dataclass(frozen=True)
class Attended:
    """What the model attends to, in the original's order."""

    memories: tuple[AttendedFrame, ...]
    pointers: tuple[AttendedFrame, ...]


def attended_frames(
    rules: MemoryRules, frame: int, prompted: Sequence[int], tracked: Mapping[int, float]
) -> Attended:
    """Return which frames count for a frame.

    prompted: the frames with a prompt, in the order in which they were prompted. tracked: all
    others that have an answer, with their quality. A frame of another number is a gap: it leaves
    its place empty, and older ones do not move up.
    """
    chosen = nearest_prompted(prompted, frame, rules.prompted)
    # A prompted frame beyond the limit counts as any other.
    others = {**tracked, **dict.fromkeys(each for each in prompted if each not in chosen)}
    memories = [AttendedFrame(each, 0, prompted=True) for each in chosen]
    pointers = [
        AttendedFrame(each, frame - each, prompted=True) for each in chosen if each <= frame
    ]
    if rules.selection is None:
        places = [(age, frame - age) for age in range(1, max(rules.memories + 1, rules.pointers))]
        with_pointer = rules.pointers - 1
    else:
        listed = selected_frames(rules, frame, tracked)
        places = [(rank, listed[-rank]) for rank in range(1, len(listed) + 1)]
        with_pointer = min(rules.pointers, len(listed)) - 1
    found = [(age, each) for age, each in places if each in others]
    memories += [
        AttendedFrame(each, age, prompted=False)
        for age, each in reversed(found)
        if age <= rules.memories
    ]
    pointers += [
        AttendedFrame(each, age, prompted=False) for age, each in found if age <= with_pointer
    ]
    return Attended(tuple(memories), tuple(pointers))


def nearest_prompted(prompted: Sequence[int], frame: int, most: int) -> tuple[int, ...]:
    """Return the prompted frames that count: all, or the nearest on both sides and then the rest.

    In the order given where all count.
    """
    if len(prompted) <= most:
        return tuple(prompted)
    before = max((each for each in prompted if each < frame), default=None)
    after = min((each for each in prompted if each >= frame), default=None)
    sides = [each for each in (before, after) if each is not None]
    rest = sorted(
        (each for each in prompted if each not in sides), key=lambda each: abs(each - frame)
    )
    return (*sides, *rest)[:most]


def selected_frames(
    rules: MemoryRules, frame: int, tracked: Mapping[int, float]
) -> tuple[int, ...]:
    """Return the last tracked frames of a quality above the rules', oldest first.

    The frame before is listed whatever it is, the very first frame (0) only as that one.
    """
    if frame == 0:
        return ()
    listed = newest_of_quality(rules, (each for each in tracked if each < frame), tracked)
    last = frame - 1
    return listed if last in listed else (*listed, last)


def newest_of_quality(
    rules: MemoryRules, frames: Iterable[int], quality: Mapping[int, float]
) -> tuple[int, ...]:
    """Return the newest frames above the rules' quality, as many as give pointers."""
    least = -1.0 if rules.selection is None else rules.selection
    good = sorted(each for each in frames if each > 0 and quality[each] > least)
    return tuple(good[-(rules.pointers - 1) :]) if rules.pointers > 1 else ()
