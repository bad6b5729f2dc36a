"""Lost images by the stamps of those that came."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import pytest

from sam3_ros.ros.frames.gaps import StampGaps

MS = 1_000_000
START = 1_700_000_000_000 * MS


def counted(stamps_ms: Iterable[float]) -> int:
    """Return what is counted as lost of a camera with these stamps, ms."""
    gaps = StampGaps()
    return sum(gaps.note(START + round(stamp * MS)) for stamp in stamps_ms)


def regular(count: int, period: float, begin: float = 0.0) -> list[float]:
    return [begin + number * period for number in range(count)]


def without(stamps: Sequence[float], share: float, seed: int = 1) -> tuple[list[float], int]:
    """Return the stamps that are left, and how many are missing between them."""
    chance = random.Random(seed)
    kept = [stamp for stamp in stamps if chance.random() >= share]
    between = [stamp for stamp in stamps if kept[0] <= stamp <= kept[-1]]
    return kept, len(between) - len(kept)


@pytest.mark.parametrize("period", [10.0, 33.3, 100.0, 1000.0])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_missing_is_counted(period, share, seed):
    kept, missing = without(regular(400, period), share, seed)
    # The first ones are needed to learn the period, the last ones wait for the next image.
    assert missing * 0.8 - 16 <= counted(kept) <= missing


def test_jitter_hides_nothing():
    chance = random.Random(3)
    stamps = [each + chance.uniform(-4, 4) for each in regular(600, 33.3)]
    assert counted(stamps) == 0
    kept, missing = without(stamps, 0.2)
    assert missing * 0.8 - 16 <= counted(kept) <= missing * 1.05


def exposure(seed: int) -> list[float]:
    """Return the stamps of a camera that exposes for 33 to 66 ms, as the light changes."""
    chance, stamps, period = random.Random(seed), [0.0], 33.0
    for _ in range(600):
        period = min(66.0, max(33.0, period + chance.uniform(-4, 4)))
        stamps.append(stamps[-1] + period)
    return stamps


CLOCK_BACK = [*regular(60, 33.3), *regular(60, 33.3, -5000.0), *regular(60, 33.3, -9000.0)]
NOTHING_LOST = {
    "one image": [0.0],
    "equal stamps": [each for each in regular(60, 33.3) for _ in range(2)],
    "30 Hz, then 15 Hz, then 30 Hz": [
        *regular(90, 33.3),
        *regular(90, 66.6, 90 * 33.3),
        *regular(90, 33.3, 90 * 33.3 + 90 * 66.6),
    ],
    "pauses of 3 s": [
        *regular(60, 33.3),
        *regular(60, 33.3, 60 * 33.3 + 3000),
        *regular(60, 33.3, 9e4),
    ],
    "the clock jumps back, as bags do that loop": CLOCK_BACK,
    "swapped in pairs": [each for pair in range(60) for each in (pair * 66 + 33, pair * 66)],
    "one of ten comes 3 late": [
        each
        for ten in range(20)
        for each in [ten * 333 + 33.3 * number for number in (0, 1, 2, 4, 5, 6, 3, 7, 8, 9)]
    ],
    "light that changes, 1": exposure(1),
    "light that changes, 2": exposure(2),
    "triggered by chance": [
        sum(random.Random(7).choices(range(50, 900), k=400)[:n]) for n in range(400)
    ],
    "15 to 30 Hz from image to image": [
        sum(random.Random(8).choices(range(33, 67), k=400)[:n]) for n in range(400)
    ],
    "two publishers on one topic": sorted([*regular(100, 33.3), *regular(100, 33.3, 9.0)]),
    "a timelapse of 5 s": regular(40, 5000.0),
    "numbers in place of stamps, and one that counts seconds": [
        each + 1500.0 * (number // 30) for number, each in enumerate(regular(90, 1e-6))
    ],
}


@pytest.mark.parametrize("name", NOTHING_LOST)
def test_nothing_is_lost(name):
    assert counted(NOTHING_LOST[name]) == 0
