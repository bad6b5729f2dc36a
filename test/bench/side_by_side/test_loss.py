"""What is lost: objects that are paired by their masks, and those that are not."""

from __future__ import annotations

import pytest
from scenes import Corners, patch_mask

from sam3_ros.bench.side_by_side.loss import Loss, question_loss
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segments import Segment

SIZE = ImageSize(96, 128)
HERE: Corners = (20, 20, 40, 40)
THERE: Corners = (80, 50, 100, 90)
NEAR: Corners = (25, 20, 45, 40)  # 15 of 25 columns are shared with HERE
BESIDE: Corners = (35, 20, 55, 40)  # 5 of 35 are
TEXT = ConceptPrompt("cube")
CLICK = InteractivePrompt(points=((30, 30),))


def seen(corners: Corners, score: float = 0.9) -> Segment:
    return Segment("any", "any", score, Box(*corners), patch_mask(*SIZE, corners))


@pytest.mark.parametrize(
    ("prompt", "ours", "theirs", "ious", "missed", "extra"),
    [
        (TEXT, [HERE, THERE], [THERE, HERE], [1, 1], 0, 0),
        (TEXT, [NEAR], [HERE], [0.6], 0, 0),
        (TEXT, [BESIDE], [HERE], [], 1, 1),
        (TEXT, [HERE, NEAR], [HERE], [1], 0, 1),
        (TEXT, [], [HERE, THERE], [], 2, 0),
        (TEXT, [HERE], [], [], 0, 1),
        (CLICK, [BESIDE], [HERE], [1 / 7], 0, 0),
        (CLICK, [THERE], [HERE], [0], 0, 0),
        (CLICK, [], [HERE], [], 1, 0),
    ],
)
def test_an_object_is_found_where_masks_overlap(
    prompt: Prompt,
    ours: list[Corners],
    theirs: list[Corners],
    ious: list[float],
    missed: int,
    extra: int,
) -> None:
    found = question_loss("a picture", prompt, [*map(seen, ours)], [*map(seen, theirs)])
    assert found.ious == pytest.approx(ious)
    assert (found.missed, found.extra) == (missed, extra)


def test_what_is_missed_or_extra_counts_as_nothing_in_common() -> None:
    same = question_loss("a picture", TEXT, [seen(HERE, 0.7)], [seen(HERE, 0.9)])
    less = question_loss("a picture", TEXT, [seen(NEAR, 0.8)], [seen(HERE, 0.7), seen(THERE)])
    none = question_loss("a picture", TEXT, [], [])
    more = question_loss("a picture", CLICK, [seen(HERE)], [])

    total = Loss.of([same, less, none, more])

    assert (total.asked, total.objects, total.found) == (4, 3, 2)
    assert (total.missed, total.extra) == (1, 1)
    assert total.found_iou == pytest.approx(0.8)
    assert total.worst_iou == pytest.approx(0.6)
    assert total.iou == pytest.approx(1.6 / 4)
    assert total.score_change == pytest.approx(-0.05)
    assert total.largest_score_change == pytest.approx(0.2)
    assert total.holds(0.4) and not total.holds(0.41)
    assert none.iou == 1


def test_where_nothing_is_found_no_limit_is_held() -> None:
    total = Loss.of([question_loss("a picture", TEXT, [], [])])
    assert total.iou is None and not total.holds(0.1)
