"""Ids that go on where a long recording was cut into track spans.

A span begins on the image on which the one before ended. The objects of that image are compared:
two of the same prompt whose masks overlap are one object, and it keeps its id. Others get new ids.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from sam3_ros.label.answers import LabelledFrame, LabelledObject

# IoU of the masks that one object has on both sides of a cut.
_LEAST_OVERLAP = 0.5


class SpanJoining:
    """Makes the ids of spans those of the whole topic: each id is one object."""

    def __init__(self) -> None:
        #: The highest id so far, and that before the span.
        self._highest = self._before = 0
        #: From the ids of the span to those of the topic.
        self._ids: dict[int, int] = {}
        self._last: LabelledFrame | None = None

    def begin_span(self, lead: LabelledFrame | None) -> None:
        """Begin with a span. lead: what it answered of the image before its first."""
        last, self._ids, self._before = self._last, {}, self._highest
        if lead is not None and last is not None and lead.index == last.index:
            self._ids = _same_objects(last, lead)

    def joined(self, frame: LabelledFrame) -> LabelledFrame:
        """Return a frame of the span with the ids of the topic."""
        objects = tuple(self._with_id(each) for each in frame.objects)
        self._last = replace(frame, objects=objects)
        return self._last

    def _with_id(self, found: LabelledObject) -> LabelledObject:
        if found.track_id is None:
            return found
        number = self._ids.get(found.track_id, self._before + found.track_id)
        self._highest = max(self._highest, number)
        return replace(found, track_id=number)


def _same_objects(last: LabelledFrame, lead: LabelledFrame) -> dict[int, int]:
    """Return which ids of the new span are which of the topic: the best overlaps first."""
    overlaps = [
        (-_overlap(one, other, last), other.track_id, one.track_id)
        for one, other in product(last.objects, lead.objects)
        if one.prompt_id == other.prompt_id and one.bounds is not None and other.bounds is not None
    ]
    found: dict[int, int] = {}
    for overlap, new, known in sorted(overlaps):
        assert new is not None and known is not None, "objects of a span are tracked"
        if -overlap >= _LEAST_OVERLAP and new not in found and known not in found.values():
            found[new] = known
    return found


def _overlap(one: LabelledObject, other: LabelledObject, frame: LabelledFrame) -> float:
    """Return the IoU of two masks of one image."""
    first, second = (each.run_lengths(frame.size).mask() for each in (one, other))
    either = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / max(1, either)
