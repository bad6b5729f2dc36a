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
#: The same, where it was seen in one image and nobody knows yet how fast it moves.
_OF_UNKNOWN_PACE = 2.0


@dataclass(frozen=True)
class Whereabouts:
    """What an answer in the next image is compared with."""

    #: The middle of its bounds where it was seen last, px of the image.
    middle: Point
    #: How far it moved between the last two images; None if it was not seen in both.
    step: Point | None
    #: Its pixels where it was seen last.
    pixels: int
    #: Answered images since then.
    unseen: int

    @classmethod
    def shown(cls, place: Place) -> Whereabouts:
        """Take note of an object where a prompt found it."""
        return cls(place.middle, None, place.pixels, 0)

    def seen(self, place: Place) -> Whereabouts:
        """Take note of it in the next image."""
        now = place.middle
        step = Point(now.x - self.middle.x, now.y - self.middle.y)
        return Whereabouts(now, None if self.unseen else step, place.pixels, 0)

    def renewed(self, place: Place) -> Whereabouts:
        """Take note of a better outline in its last image."""
        if self.unseen:
            return Whereabouts.shown(place)
        return replace(self, middle=place.middle, pixels=place.pixels)

    def not_seen(self) -> Whereabouts:
        """Take note of an image without it."""
        return replace(self, unseen=self.unseen + 1)

    def doubt(self, object_score: float, settings: VideoSettings) -> str:
        """Return why an object score, a logit, is too low to believe, or ""."""
        least = settings.found_above if self.unseen else settings.seen_above
        if object_score > least:
            return ""
        again = " after it was not seen" if self.unseen else ""
        return f"the model is not sure enough of it{again}: {object_score:.1f} (least {least:g})"

    def objection(self, place: Place, settings: VideoSettings) -> str:
        """Return why a place in the next image cannot be its, with numbers, or ""."""
        if settings.farthest is None:
            return ""
        now, before = place.middle, self.middle
        expected = [before]  # it may have stopped
        if self.step is not None:
            expected.append(Point(before.x + self.step.x, before.y + self.step.y))
        size = math.sqrt(max(place.pixels, self.pixels))
        sizes = min(math.hypot(now.x - each.x, now.y - each.y) for each in expected) / size
        most = settings.farthest * (1 + _GROWTH * self.unseen)
        if self.step is None:
            most *= _OF_UNKNOWN_PACE
        elif self.unseen:  # it may come back the way it went
            most += math.hypot(*self.step) / size
        if sizes <= most:
            return ""
        return f"it jumped: {sizes:.1f} of its sizes from where it should be (most {most:.1f})"

    def saved(self) -> dict[str, Array]:
        """Return arrays from which `restored` makes the same."""
        numbers = (*self.middle, self.pixels, self.unseen, *(self.step or ()))
        return {_SAVED: np.array(numbers, np.float64)}

    @classmethod
    def restored(cls, arrays: Mapping[str, Array]) -> Whereabouts:
        """Return what `saved` wrote. Raises BundleError for other arrays."""
        numbers = arrays.get(_SAVED)
        if numbers is None or numbers.shape not in [(4,), (6,)]:
            raise BundleError("a saved object does not say where it was seen last: add it anew")
        x, y, pixels, unseen, *step = numbers.tolist()
        return cls(Point(x, y), Point(*step) if step else None, int(pixels), int(unseen))
