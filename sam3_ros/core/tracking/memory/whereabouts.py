"""Where an object was, and whether an answer of the model can be the same object.

An object that leaves the view is still looked for, and a small model may then take another for it.
The bundle says how sure the model has to be, and how far an object can be from where it should be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.core.bundle.manifest import VideoSettings
from sam3_ros.core.errors import BundleError
from sam3_ros.core.geometry import Point
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.place import Place

_SAVED = "whereabouts"
#: Of how far an object can be, for each image in which it was not seen.
_GROWTH = 0.25
#: The same, where it was found again and nobody knows yet how fast it moves.
_OF_UNKNOWN_PACE = 2.0


@dataclass(frozen=True)
class Whereabouts:
    """What an answer in the next image is compared with."""

    #: The middle of its pixels where it was seen last, px of the image.
    middle: Point
    #: How far it moved between the last two images; None if it was not seen in both.
    step: Point | None
    #: Its pixels where it was seen last.
    pixels: int
    #: Answered images since then.
    unseen: int = 0
    #: A prompt found it there, maybe in a picture of before: in the next it may be anywhere.
    shown: bool = False

    @classmethod
    def where_shown(cls, place: Place) -> Whereabouts:
        """Take note of an object where a prompt found it."""
        return cls(place.centroid, None, place.pixels, shown=True)

    def seen(self, place: Place) -> Whereabouts:
        """Take note of it in the next image."""
        now = place.centroid
        step = Point(now.x - self.middle.x, now.y - self.middle.y)
        return Whereabouts(now, None if self.unseen or self.shown else step, place.pixels)

    def renewed(self, place: Place) -> Whereabouts:
        """Take note of a better outline in its last image."""
        if self.unseen:
            return Whereabouts.where_shown(place)
        return replace(self, middle=place.centroid, pixels=place.pixels)

    def not_seen(self) -> Whereabouts:
        """Take note of an image without it."""
        return replace(self, unseen=self.unseen + 1)

    def doubt(self, object_score: float, settings: VideoSettings) -> str:
        """Return why an object score, a logit, is too low to believe, or ""."""
        least, again = settings.seen_above, ""
        if self.unseen:
            least, again = max(least, settings.found_above), " after it was not seen"
        if object_score > least:
            return ""
        return f"the model is not sure of it{again}: {object_score:.2f}, must be above {least:g}"

    def objection(self, place: Place, settings: VideoSettings) -> str:
        """Return why a place in the next image cannot be its, with numbers, or ""."""
        if settings.farthest is None or self.shown:
            return ""
        size = math.sqrt(max(place.pixels, self.pixels))
        sizes = self._distance(place.centroid) / size
        most = settings.farthest * (1 + _GROWTH * self.unseen)
        if self.step is None:
            most *= _OF_UNKNOWN_PACE
        elif self.unseen:  # it may come back the way it went
            most += math.hypot(*self.step) / size
        if sizes <= most:
            return ""
        return f"it jumped: {sizes:.2f} of its sizes from where it should be (at most {most:.2f})"

    def _distance(self, now: Point) -> float:
        """Return how far a point is from its way: from where it was on, at its pace."""
        x, y = now.x - self.middle.x, now.y - self.middle.y
        if self.step is None or not (pace := math.hypot(*self.step)):
            return math.hypot(x, y)
        along = (x * self.step.x + y * self.step.y) / pace**2
        gone = min(max(along, 0.0), 1.0 + self.unseen)
        return math.hypot(x - gone * self.step.x, y - gone * self.step.y)

    def saved(self) -> dict[str, Array]:
        """Return arrays from which `restored` makes the same."""
        step = self.step or ()
        numbers = (*self.middle, self.pixels, self.unseen, float(self.shown), *step)
        return {_SAVED: np.array(numbers, np.float64)}

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> Whereabouts:
        """Return what `saved` wrote. Raises BundleError for other arrays."""
        numbers = arrays.get(_SAVED)
        known = numbers is not None and numbers.shape in [(5,), (7,)]
        if numbers is None or not known or not np.isfinite(numbers).all():
            raise BundleError("a saved object does not say where it was seen last: add it anew")
        x, y, pixels, unseen, shown, *step = numbers.tolist()
        pace = Point(*step) if step else None
        return cls(Point(x, y), pace, int(pixels), int(unseen), bool(shown))
