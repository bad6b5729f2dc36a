from __future__ import annotations

import numpy as np
import pytest
from scenes import iou, patch_mask

from sam3_ros.core.segmenter.following import LastSeen
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.core.segmenter.segments import Segment

HEIGHT, WIDTH = 96, 128
Corners = tuple[int, int, int, int]


def segment(corners: Corners) -> Segment:
    mask = patch_mask(HEIGHT, WIDTH, corners)
    box = mask_bounds(mask)
    assert box is not None
    return Segment("it", "it", 0.9, box, mask)


def logits(corners: Corners) -> np.ndarray:
    """At a quarter of the size."""
    small = patch_mask(HEIGHT, WIDTH, corners)[2::4, 2::4]
    return np.where(small, 5, -5).astype(np.float32)


def seen(*places: Corners) -> LastSeen:
    """In one image after the other."""
    last = LastSeen.first(segment(places[0]), logits(places[0]))
    for corners in places[1:]:
        last = last.then(segment(corners), logits(corners))
    return last


def objection(found: Corners, *places: Corners) -> str:
    last = seen(*places)
    return last.objection(last.expected()[0], segment(found))


def test_after_one_image_it_is_expected_where_it_is() -> None:
    mask, its_logits = seen((20, 20, 40, 40)).expected()
    np.testing.assert_array_equal(mask, patch_mask(HEIGHT, WIDTH, (20, 20, 40, 40)))
    np.testing.assert_array_equal(its_logits, logits((20, 20, 40, 40)))


def test_it_is_expected_to_keep_its_pace() -> None:
    mask, its_logits = seen((20, 20, 40, 40), (32, 16, 52, 36)).expected()
    there = (44, 12, 64, 32)
    assert iou(mask, patch_mask(HEIGHT, WIDTH, there)) == 1
    assert iou(its_logits > 0, logits(there) > 0) == 1
    assert its_logits[:, :3].max() < -5  # what comes in from outside is surely not the object


def test_it_is_not_expected_outside_of_the_view() -> None:
    mask, its_logits = seen((60, 20, 80, 40), (108, 20, 128, 40)).expected()
    np.testing.assert_array_equal(mask, patch_mask(HEIGHT, WIDTH, (108, 20, 128, 40)))
    np.testing.assert_array_equal(its_logits, logits((108, 20, 128, 40)))


def test_what_moved_and_grew_a_little_is_the_object() -> None:
    assert objection((24, 22, 46, 44), (20, 20, 40, 40)) == ""


def test_either_the_last_place_or_the_next_one_will_do() -> None:
    """What moved may go on, or stop."""
    moved = (20, 20, 40, 40), (60, 20, 80, 40)
    assert objection((100, 20, 120, 40), *moved) == ""
    assert objection((60, 20, 80, 40), *moved) == ""


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ((60, 60, 80, 80), "it jumped: overlap 0.00 with where it was or should be (least 0.1)"),
        ((37, 20, 57, 40), "it jumped: overlap 0.08 with where it was or should be (least 0.1)"),
        ((10, 10, 50, 50), "its size jumped from 400 to 1600 px (at most 3 times)"),
        ((25, 25, 35, 35), "its size jumped from 400 to 100 px (at most 3 times)"),
    ],
)
def test_a_jump_is_told_with_its_numbers(found: Corners, why: str) -> None:
    assert objection(found, (20, 20, 40, 40)) == why


@pytest.mark.parametrize("edge", [(0, 20, 9, 40), (0, 20, 9, 36)])
def test_what_is_cut_by_the_edge_is_leaving_once_little_is_left(edge: Corners) -> None:
    before = (0, 20, 40, 40), (0, 20, 25, 40), (0, 20, 15, 40)
    share = 20 * 9 / 800 if edge[3] == 40 else 16 * 9 / 800
    expected = f"it is leaving the view: {share:.0%} of its largest mask is left at the edge"
    assert objection(edge, *before) == expected


def test_what_is_small_within_the_view_is_only_far_away() -> None:
    before = (40, 20, 80, 40), (44, 22, 69, 40), (45, 24, 60, 40)
    assert objection((46, 26, 57, 40), *before) == ""
