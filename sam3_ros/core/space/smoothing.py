"""Smooths the centres of followed objects over time, by a filter of constant velocity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.spatial_object import SpatialObject, Vector

# Standard deviation of a velocity of which nothing is known, m/s.
_UNKNOWN_VELOCITY = 1.0


@dataclass(frozen=True)
class SmoothingSettings:
    """Of CentreSmoother. Raises SpaceError unless both are above 0."""

    #: How quickly objects change their velocity: standard deviation of their acceleration, m/s^2.
    acceleration: float = 1.0
    #: A track that had no place for longer is begun anew, s.
    longest_gap: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.acceleration < np.inf and 0 < self.longest_gap < np.inf):
            raise SpaceError(
                "smoothing needs an acceleration and a longest gap above 0, got "
                f"{self.acceleration} m/s^2 and {self.longest_gap} s"
            )


@dataclass(frozen=True, eq=False)
class _Motion:
    """Position and velocity of a track, float64 [6], with covariance [6, 6], at a time in s."""

    state: Vector
    covariance: npt.NDArray[np.float64]
    seconds: float


class CentreSmoother:
    """A Kalman filter a track. Not for several threads."""

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        """settings: None for the usual ones."""
        self._settings = settings or SmoothingSettings()
        self._motions: dict[int, _Motion] = {}
        self._frame = ""
        self._seconds = -np.inf

    def update(self, objects: Sequence[SpatialObject], seconds: float) -> tuple[SpatialObject, ...]:
        """Return the objects of the image of this time, with smoothed places.

        Tracked objects with a place get the filter's centre, velocity and covariance; their box
        moves with the centre. Others come back as they are. All are in one frame; a moving camera
        needs a fixed one. A time before the last, or another frame, begins anew.
        """
        frame = objects[0].frame if objects else self._frame
        if any(lifted.frame != frame for lifted in objects):
            raise SpaceError("objects are smoothed in one frame, got several")
        if seconds < self._seconds or frame != self._frame:
            self._motions.clear()
        self._frame, self._seconds = frame, seconds
        oldest = seconds - self._settings.longest_gap
        self._motions = {i: each for i, each in self._motions.items() if each.seconds >= oldest}
        return tuple(self._smoothed(lifted, seconds) for lifted in objects)

    def _smoothed(self, lifted: SpatialObject, seconds: float) -> SpatialObject:
        if lifted.track is None or lifted.centre is None or lifted.covariance is None:
            return lifted
        before = self._motions.get(lifted.track.id)
        if before is None:
            motion = _begun(lifted.centre, lifted.covariance, seconds)
        else:
            motion = self._corrected(before, lifted.centre, lifted.covariance, seconds)
        self._motions[lifted.track.id] = motion
        centre, box = motion.state[:3].copy(), lifted.box
        return replace(
            lifted,
            centre=centre,
            velocity=motion.state[3:].copy(),
            covariance=motion.covariance[:3, :3].copy(),
            box=box and replace(box, centre=box.centre + centre - lifted.centre),
        )

    def _corrected(self, before: _Motion, seen: Vector, noise: Vector, seconds: float) -> _Motion:
        """Predict to the time and correct by what is seen: the Kalman filter's two steps.

        The acceleration is white noise, so that covariance grows as in Y. Bar-Shalom et al.,
        "Estimation with Applications to Tracking and Navigation" (2001), 6.2.2.
        """
        gap = seconds - before.seconds
        move = np.eye(6)
        move[:3, 3:] = gap * np.eye(3)
        power = self._settings.acceleration**2
        growth = power * np.array([[gap**3 / 3, gap**2 / 2], [gap**2 / 2, gap]])
        state = move @ before.state
        covariance = move @ before.covariance @ move.T + np.kron(growth, np.eye(3))
        gain = np.linalg.solve(covariance[:3, :3] + noise, covariance[:3]).T
        state = state + gain @ (seen - state[:3])
        # Joseph's form: it stays symmetric and positive whatever is rounded.
        kept = np.eye(6)
        kept[:, :3] -= gain
        return _Motion(state, kept @ covariance @ kept.T + gain @ noise @ gain.T, seconds)


def _begun(seen: Vector, noise: Vector, seconds: float) -> _Motion:
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = noise
    covariance[3:, 3:] = _UNKNOWN_VELOCITY**2 * np.eye(3)
    return _Motion(np.concatenate([seen, np.zeros(3)]), covariance, seconds)
