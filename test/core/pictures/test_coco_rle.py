"""COCO's run lengths: by hand, and there and back."""

from __future__ import annotations

import numpy as np
import pytest

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.pictures.coco_rle import RunLengths


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


@pytest.mark.parametrize(
    ("mask", "counts", "letters"),
    [
        # Down the columns: ...# ..## .... -> 3 False, 1 True, 2 False, 2 True, 4 False. The last
        # two are written as 2 - 1 = 1 and 4 - 2 = 2.
        (mask_of("...", "...", ".#.", "##."), (3, 1, 2, 2, 4), "31212"),
        # Begins with True: a run of no False pixels.
        (mask_of("#.", "#."), (0, 2, 2), "022"),
        (mask_of("..", ".."), (4,), "4"),
        (mask_of("##", "##"), (0, 4), "04"),
        # A difference below zero: 1 - 2 = -1, which is 11111, and 31 + 48 is 'O'.
        (mask_of(".", "#", "#", ".", "#"), (1, 2, 1, 1), "121O"),
    ],
)
def test_masks_by_hand(mask: np.ndarray, counts: tuple[int, ...], letters: str) -> None:
    runs = RunLengths.of(mask)

    assert runs.counts == counts
    assert runs.document() == {"size": list(mask.shape), "counts": letters}
    np.testing.assert_array_equal(runs.mask(), mask)
    assert RunLengths.parsed(runs.document()) == runs


def test_long_runs_take_several_letters() -> None:
    # 16 = 10000: the fifth bit would be read as the sign, so a group of zeros follows: 'P' + '`'
    # would be 48 + 16 + 32 = 96, which is '`', then '0'.
    assert RunLengths(ImageSize(4, 4), (16,)).document()["counts"] == "`0"
    # 1000 = 11111 01000: 8 + 32 + 48 = 'X', then 31 + 32 + 48 = 'o' as 31 has the sign's bit, '0'.
    assert RunLengths(ImageSize(10, 100), (1000,)).document()["counts"] == "Xo0"


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (37, 53), (480, 640)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_there_and_back(shape: tuple[int, int], density: float) -> None:
    mask = np.random.default_rng(3).random(shape) < density
    document = RunLengths.of(mask).document()

    np.testing.assert_array_equal(RunLengths.parsed(document).mask(), mask)


def test_counts_are_read_uncompressed_and_as_bytes_too() -> None:
    for counts in ([3, 1, 2, 2, 4], "31212", b"31212"):
        runs = RunLengths.parsed({"size": [4, 3], "counts": counts})
        assert runs.counts == (3, 1, 2, 2, 4)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"size": [4, 3], "counts": [3, 1]}, "add up to 12, got 4"),
        ({"size": [4, 3], "counts": "3 1"}, "letters from '0' to 'o'"),
        ({"size": [4, 4], "counts": "`"}, "end within a number"),
        ({"size": [4], "counts": "4"}, "expected"),
        ([[1, 2, 3, 4]], "expected"),
        ({"size": [1, 1], "counts": [-1, 2]}, "0 or more"),
    ],
)
def test_what_is_no_mask_is_refused(document: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RunLengths.parsed(document)
