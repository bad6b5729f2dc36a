"""Statistics of places: how far what the node publishes in space is from the truth.

Judged are the images for which the bag has true places. An object that was found is the true one
whose box in the image overlaps its own by half (IoU) or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.msg import Object3D, Objects3D
from sam3_ros.replay.bag.places import BagPlace, TruePlaces
from sam3_ros.replay.bag.stamps import NANOSECONDS
from sam3_ros.replay.bag.truth import Truth
from sam3_ros.replay.client.answered_frame import SAME_OBJECT, FoundSegment
from sam3_ros.replay.report.places import Metres3, PlaceReport


@dataclass
class _Placed:
    """One true object, as one prompt found it."""

    found: int = 0
    errors: list[float] = field(default_factory=list)
    boxes: list[Metres3] = field(default_factory=list)
    true_boxes: list[Metres3] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    #: Reasons, as keys.
    reasons: dict[str, None] = field(default_factory=dict)


class PlaceStatistics:
    """The places of one camera. Not thread-safe."""

    def __init__(self, truth: Truth | None, places: TruePlaces, camera: str = "") -> None:
        self._truth = truth
        self._places = places
        self._camera = camera
        self._objects: dict[tuple[str, int], _Placed] = {}

    def objects_came(self, message: Objects3D, bag_stamp_ns: int) -> None:
        """Compare what was published for an image of the bag."""
        true = self._places.get(bag_stamp_ns)
        if true is None or self._truth is None or bag_stamp_ns not in self._truth.labels:
            return
        seen = [each for each in message.objects if each.score.frames_unseen == 0]
        for each, number in self._matched(seen, bag_stamp_ns):
            if number in true:
                key = (each.score.prompt_id, number)
                placed = self._objects.setdefault(key, _Placed())
                _compare(placed, each, true[number], bag_stamp_ns)

    def reports(self) -> tuple[PlaceReport, ...]:
        """Return a report per prompt and true object, in the order in which they were found."""
        return tuple(self._report(*key, placed) for key, placed in self._objects.items())

    def _matched(self, seen: list[Object3D], stamp: int) -> Iterator[tuple[Object3D, int]]:
        """Yield each object that is one of the true ones, with its number."""
        assert self._truth is not None
        size = self._truth.labels[stamp].shape
        bounds = {number: self._truth.bounds(stamp, number) for number in self._truth.objects}
        for each in seen:
            box = each.score.box
            segment = FoundSegment("", 0, box=(box.x_min, box.y_min, box.x_max, box.y_max))
            overlaps = {n: segment.overlap(b, size) for n, b in bounds.items() if b is not None}
            number = max(overlaps, key=overlaps.__getitem__, default=0)
            if overlaps.get(number, 0.0) >= SAME_OBJECT:
                yield each, number

    def _report(self, prompt_id: str, number: int, placed: _Placed) -> PlaceReport:
        assert self._truth is not None
        worst = ""
        if placed.errors:
            stamp = placed.stamps[int(np.argmax(placed.errors))]
            worst = f"{stamp // NANOSECONDS}.{stamp % NANOSECONDS:09}"
        return PlaceReport(
            camera=self._camera,
            prompt_id=prompt_id,
            name=str(self._truth.objects[number]),
            found=placed.found,
            errors_m=tuple(placed.errors),
            box_m=_median(placed.boxes),
            true_box_m=_median(placed.true_boxes),
            reasons=tuple(placed.reasons),
            worst=worst,
        )


def _compare(placed: _Placed, found: Object3D, true: BagPlace, stamp: int) -> None:
    placed.found += 1
    if not found.has_place:
        placed.reasons[found.reason] = None
        return
    centre = np.array([found.centre.x, found.centre.y, found.centre.z])
    placed.errors.append(float(np.linalg.norm(centre - true.centre)))
    size = found.box_size
    long, middle, short = sorted((float(size.x), float(size.y), float(size.z)), reverse=True)
    placed.boxes.append((long, middle, short))
    placed.true_boxes.append(true.box)
    placed.stamps.append(stamp)


def _median(boxes: list[Metres3]) -> Metres3 | None:
    if not boxes:
        return None
    long, middle, short = map(float, np.median(np.array(boxes), axis=0))
    return long, middle, short
