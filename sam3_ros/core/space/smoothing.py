"""Smooths the centres of followed objects over time, by a filter of constant velocity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sam3_ros.core.space.spatial_object import SpatialObject


@dataclass(frozen=True)
class SmoothingSettings:
    """Of CentreSmoother."""

    #: How quickly objects change their velocity, m/s^2 (standard deviation).
    acceleration: float = 1.0
    #: A track that had no place for longer is begun anew, s.
    longest_gap: float = 1.0


class CentreSmoother:
    """A Kalman filter a track. Not for several threads."""

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        """settings: None for the usual ones."""
        raise NotImplementedError

    def update(self, objects: Sequence[SpatialObject], seconds: float) -> tuple[SpatialObject, ...]:
        """Return the objects of the image of this time, with smoothed places.

        Tracked objects with a place get the filter's centre, velocity and covariance; their box
        moves with the centre. Others come back as they are. All are in one frame; a moving camera
        needs a fixed one. A time before the last, or another frame, begins anew.
        """
        raise NotImplementedError
