"""How far the places that a node published are from the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Metres3 = tuple[float, float, float]


@dataclass(frozen=True)
class PlaceReport:
    """A true object as one prompt on one camera found it, in images that have depth."""

    #: Empty for the only camera.
    camera: str
    prompt_id: str
    #: What the object truly is, such as "red cube".
    name: str
    #: How often it was found.
    found: int
    #: Distance from the published centre to the true one, m, of those that had a place.
    errors_m: tuple[float, ...] = ()
    #: Median lengths of its box, the largest first; None without a place.
    box_m: Metres3 | None = None
    #: Those of the true box, of the same images.
    true_box_m: Metres3 | None = None
    #: Where it had no place: the node's reasons, each once.
    reasons: tuple[str, ...] = ()
    #: "seconds.nanoseconds" of the image with the largest error; empty without any.
    worst: str = ""

    @property
    def placed(self) -> int:
        """How often it had a place."""
        return len(self.errors_m)


@dataclass(frozen=True)
class PlaceErrors:
    """Of several objects or images, m."""

    median_m: float
    p95_m: float
    worst_m: float


def errors_of(errors_m: Sequence[float]) -> PlaceErrors | None:
    """Summarise distances; None without any."""
    if not errors_m:
        return None
    median, p95 = np.percentile(np.asarray(errors_m), [50, 95])
    return PlaceErrors(float(median), float(p95), float(max(errors_m)))
