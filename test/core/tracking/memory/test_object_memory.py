"""What is kept of an object: enough for every later frame, and no more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from sam3_ros.core.errors import BundleError
from sam3_ros.core.tracking.memory.choice import MemoryRules
from sam3_ros.core.tracking.memory.object_memory import ObjectMemory, RememberedFrame

GRID, MASK, WIDTH = (2, 3, 4), (12, 16), 6


def frame_memory(frame: int, prompted: bool = False, quality: float = 0.5) -> RememberedFrame:
    return RememberedFrame(
        frame=frame,
        prompted=prompted,
        pointer=np.full(WIDTH, frame, np.float32),
        memory=np.full(GRID, frame, np.float32),
        mask_logits=np.full(MASK, frame, np.float32),
        quality=quality,
    )


def stream(
    rules: MemoryRules | None, length: int, prompted: Mapping[int, bool], first: int = 0
) -> ObjectMemory:
    memory = ObjectMemory()
    for frame in range(first, first + length):
        memory = memory.added(frame_memory(frame, prompted.get(frame, False)), rules)
    return memory


@pytest.mark.parametrize("first", [0, 10**12])
def test_memory_stays_bounded_in_an_endless_stream(first: int) -> None:
    rules = MemoryRules()
    sizes = set()
    memory = ObjectMemory()
    for frame in range(first, first + 10_000):
        new = frame_memory(frame, prompted=frame % 100 == 0)
        memory = memory.added(new, rules)
        if frame - first > 1000:
            sizes.add(memory.nbytes)
        assert sum(each.memory is not None for each in memory.frames) <= 4 + 6
        assert len(memory.frames) <= 4 + 15
    assert sum(each.mask_logits is not None for each in memory.frames) == 1
    pointer, one, mask = 4 * WIDTH, 4 * int(np.prod(GRID)), 4 * int(np.prod(MASK))
    assert max(sizes) <= (4 + 15) * pointer + (4 + 6) * one + mask
    feeds = memory.feeds(memory.attended(first + 10_000, rules), rules)
    assert feeds["memory_ages"].tolist() == [0, 0, 0, 0, 6, 5, 4, 3, 2, 1]
    assert feeds["pointer_ages"].max() == pytest.approx(400 / 15)


def attended_to(feeds: Mapping[str, np.ndarray]) -> list[list[tuple[float, float]]]:
    """Return frame and age of memories and of pointers; attention does not depend on the order."""
    sides = (("memories", "memory_ages"), ("object_pointers", "pointer_ages"))
    return [
        sorted(
            (float(value.flat[0]), float(age))
            for value, age in zip(*(feeds[n] for n in side), strict=True)
        )
        for side in sides
    ]


@pytest.mark.parametrize("selection", [None, 0.3])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_dropped_is_never_missed(seed: int, selection: float | None) -> None:
    random = np.random.default_rng(seed)
    rules = MemoryRules(
        memories=int(random.integers(1, 7)),
        prompted=int(random.integers(1, 5)),
        pointers=int(random.integers(1, 17)),
        selection=selection,
    )
    whole = bounded = ObjectMemory()
    for frame in range(80):
        if frame:
            expected, found = (
                attended_to(each.feeds(each.attended(frame, rules), rules))
                for each in (whole, bounded)
            )
            assert found == expected
        if frame == 0 or random.random() < 0.9:  # else the frame has no answer
            new = frame_memory(frame, frame == 0 or random.random() < 0.15, random.random())
            whole, bounded = whole.added(new, None), bounded.added(new, rules)
    assert len(bounded.frames) < len(whole.frames)


def test_a_memory_is_not_changed_by_what_follows() -> None:
    rules = MemoryRules()
    before = stream(rules, 4, {0: True})
    kept = before.saved()
    after = before.added(frame_memory(4), rules)
    assert [each.frame for each in after.frames] == [0, 1, 2, 3, 4]
    assert [each.frame for each in before.frames] == [0, 1, 2, 3]
    assert all(np.array_equal(kept[name], value) for name, value in before.saved().items())
    shared = {id(each.memory) for each in before.frames} & {id(e.memory) for e in after.frames}
    assert len(shared) == 4


def test_a_prompted_frame_takes_the_place_of_a_tracked_one() -> None:
    memory = stream(MemoryRules(), 6, {0: True})
    memory = memory.added(frame_memory(4, prompted=True), MemoryRules())
    assert [(each.frame, each.prompted) for each in memory.frames] == [
        (0, True),
        (1, False),
        (2, False),
        (3, False),
        (5, False),
        (4, True),
    ]
    again = memory.added(frame_memory(0, prompted=True), MemoryRules())
    assert [each.frame for each in again.frames] == [0, 1, 2, 3, 5, 4]


def test_the_feeds_have_the_types_that_the_stage_reads() -> None:
    memory = stream(MemoryRules(), 3, {0: True})
    feeds = memory.feeds(memory.attended(3, MemoryRules()), MemoryRules())
    assert {name: (str(value.dtype), value.shape) for name, value in feeds.items()} == {
        "memories": ("float32", (3, *GRID)),
        "memory_ages": ("int64", (3,)),
        "object_pointers": ("float32", (3, WIDTH)),
        "pointer_ages": ("float32", (3,)),
    }
    with pytest.raises(ValueError, match="without a remembered frame"):
        ObjectMemory().feeds(ObjectMemory().attended(3, MemoryRules()), MemoryRules())


def test_a_saved_memory_is_restored_the_same() -> None:
    rules = MemoryRules()
    memory = stream(rules, 40, {0: True, 30: True})
    restored = ObjectMemory.restored(memory.saved())
    for frame in range(40, 50):
        ours, theirs = (
            each.feeds(each.attended(frame, rules), rules) for each in (memory, restored)
        )
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
        memory, restored = (each.added(frame_memory(frame), rules) for each in (memory, restored))
    assert restored.nbytes == memory.nbytes


@pytest.mark.parametrize("damage", ["lack", "count", "repeat"])
def test_arrays_of_another_kind_are_refused(damage: str) -> None:
    arrays = stream(MemoryRules(), 5, {0: True}).saved()
    if damage == "lack":
        del arrays["pointers"]
    elif damage == "count":
        arrays["pointers"] = arrays["pointers"][:-1]
    else:
        arrays["frames"] = np.zeros_like(arrays["frames"])
    with pytest.raises(BundleError, match="add"):
        ObjectMemory.restored(arrays)
