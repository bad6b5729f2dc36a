"""Which detection of a text is which of its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.tracking.place import Place

Overlaps = npt.NDArray[np.float64]


def overlaps_of(objects: Sequence[Place], detections: Sequence[Place]) -> Overlaps:
    """Return the IoU of each object with each detection, f64[objects, detections].

    What lies apart costs a comparison of four numbers.
    """
    rows = [[one.iou(other) for other in detections] for one in objects]
    return np.array(rows, np.float64).reshape(len(objects), len(detections))


def best_pairs(overlaps: Overlaps, least: float) -> dict[int, int]:
    """Return the detection of each object that has one, at most one each, the best overlap first.

    Greedy, and yet mostly the best assignment there is: of masks that do not overlap each other, at
    most one can share more than half with another mask. Several can only where two objects cover
    the same, and then the one that covers it best shall have it.
    """
    rows, columns = np.nonzero(overlaps >= least)
    best_first = np.argsort(-overlaps[rows, columns], kind="stable")
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows[best_first].tolist(), columns[best_first].tolist(), strict=True):
        if row not in pairs and column not in taken:
            pairs[row] = column
            taken.add(column)
    return pairs


@dataclass(frozen=True, eq=False)
class Missing:
    """An object of a text that is not seen in this image."""

    id: int
    #: Where it was seen last.
    place: Place
    #: Where it would be if it kept its pace since; None where that is outside of the image.
    expected: Place | None
    #: Its pixels where it was largest of late.
    size: float
    #: How many images ago it was seen.
    frames: int


# Of what was missing for a time: how far from where it was, in square roots of its area, and how
# much larger or smaller (docs/adr/0017-tracking.md).
NEAR = 1.5
ALIKE = 1.6
# What else must not be there: another candidate so many times farther.
ALONE = 2.0


def found_again(
    missing: Sequence[Missing], detections: Sequence[Place], match_overlap: float, within: int
) -> dict[int, int]:
    """Return for each missing object that a detection shows, by place in the sequence, which one.

    A wrong id is worse than a new one, so it takes good evidence, up to `within` images after it
    was seen: an overlap of match_overlap with where it was or should be; or a detection near and of
    like size, where neither the object has another candidate, nor the detection.
    """
    recent = [row for row, each in enumerate(missing) if each.frames <= within]
    overlaps = np.zeros((len(missing), len(detections)), np.float64)
    for row in recent:
        overlaps[row] = [_overlap(missing[row], place) for place in detections]
    pairs = best_pairs(overlaps, match_overlap)
    free = [row for row in recent if row not in pairs]
    left = [column for column in range(len(detections)) if column not in pairs.values()]
    around = {
        (row, column)
        for row in free
        for column in left
        if _near(missing[row], detections[column], NEAR * ALONE)
    }
    candidates = Counter(row for row, _ in around)
    wanted_by = Counter(column for _, column in around)
    for row, column in around:
        alone = candidates[row] == wanted_by[column] == 1
        place = detections[column]
        if alone and _near(missing[row], place, NEAR) and _alike(missing[row], place):
            pairs[row] = column
    return pairs


def starting(
    scores: Sequence[float],
    detections: Sequence[Place],
    free: Iterable[int],
    taken: Iterable[Place],
    least_score: float,
    overlap: float,
) -> list[int]:
    """Return which of the free detections start an object, best first.

    Those of least_score that overlap neither a taken place nor one that starts by `overlap`.
    """
    places = list(taken)
    starts = []
    for column in sorted(free, key=lambda each: -scores[each]):
        if scores[column] >= least_score and all(
            detections[column].iou(place) < overlap for place in places
        ):
            starts.append(column)
            places.append(detections[column])
    return starts


def _overlap(missing: Missing, place: Place) -> float:
    there = missing.place.iou(place)
    return there if missing.expected is None else max(there, missing.expected.iou(place))


def _near(missing: Missing, place: Place, distance: float) -> bool:
    reach = distance * float(np.sqrt(missing.size))
    now = place.middle
    return any(
        np.hypot(now.x - before.middle.x, now.y - before.middle.y) <= reach
        for before in (missing.place, missing.expected)
        if before is not None
    )


def _alike(missing: Missing, place: Place) -> bool:
    return missing.place.pixels / ALIKE <= place.pixels <= missing.size * ALIKE
