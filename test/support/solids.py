"""Solids on a table before a camera: depth and masks by arithmetic, so that the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.segments import Segment, TrackState, TrackStatus
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.rays import rays_of

SMALL = PinholeCamera(300.0, 300.0, 159.5, 119.5, (240, 320), "camera_optical")


@dataclass(frozen=True)
class Ball:
    """On the table's frame: x, y, z up, m."""

    centre: tuple[float, float, float]
    radius: float

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return how many rays' lengths away it is hit, inf where it is missed."""
        off = origin - np.array(self.centre)
        a, b = (rays * rays).sum(-1), rays @ off
        inside = b * b - a * (off @ off - self.radius**2)
        near = (-b - np.sqrt(np.maximum(inside, 0))) / a
        return np.where((inside > 0) & (near > 0), near, np.inf)


@dataclass(frozen=True)
class Block:
    """A box that stands upright, turned by yaw (radians)."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    yaw: float = 0.0

    def hit(self, origin: np.ndarray, rays: np.ndarray) -> np.ndarray:
        """Return how many rays' lengths away it is hit, inf where it is missed."""
        turn = np.array(
            [[np.cos(self.yaw), np.sin(self.yaw), 0], [-np.sin(self.yaw), np.cos(self.yaw), 0]]
        )
        turn = np.vstack([turn, [0, 0, 1]])
        start, along = turn @ (origin - np.array(self.centre)), rays @ turn.T
        half = np.array(self.size) / 2
        with np.errstate(divide="ignore"):
            one, other = (-half - start) / along, (half - start) / along
        near, far = np.minimum(one, other).max(-1), np.maximum(one, other).min(-1)
        return np.where((near <= far) & (near > 0), near, np.inf)


@dataclass(frozen=True, eq=False)
class View:
    """What the camera sees of solids on a table (z = 0), from 1 m at an angle of 45 degrees."""

    solids: Sequence[Ball | Block]
    camera: PinholeCamera = SMALL
    table: bool = True
    elevation: float = np.pi / 4
    distance: float = 1.0
    #: float64 [H,W], m along the axis; 0 where nothing is.
    z: np.ndarray = field(init=False)
    #: int [H,W]: 0 the table, 1 to N the solids.
    labels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rays = rays_of(self.camera)
        ahead = np.stack([rays.x, rays.y, np.ones_like(rays.x)], -1).astype(np.float64)
        rays_in_world = ahead @ self.axes
        hits = [solid.hit(self.origin, rays_in_world) for solid in self.solids]
        with np.errstate(divide="ignore"):
            table = -self.origin[2] / rays_in_world[..., 2]
        hits.insert(0, np.where((table > 0) & self.table, table, np.inf))
        z = np.min(hits, axis=0)
        object.__setattr__(self, "z", np.where(np.isfinite(z), z, 0.0))
        labels = np.where(np.isfinite(z), np.argmin(hits, axis=0), 0)
        object.__setattr__(self, "labels", labels)

    @property
    def origin(self) -> np.ndarray:
        """Where the camera is, m."""
        place = [0.0, -np.cos(self.elevation), np.sin(self.elevation)]
        return self.distance * np.array(place)

    @property
    def axes(self) -> np.ndarray:
        """The camera's right, down and ahead as rows, in the table's frame."""
        s, c = np.sin(self.elevation), np.cos(self.elevation)
        return np.array([[1, 0, 0], [0, -s, -c], [0, c, -s]])

    @property
    def up(self) -> np.ndarray:
        """The table's normal in the optical frame."""
        return self.axes @ [0, 0, 1]

    def in_world(self, point: np.ndarray) -> np.ndarray:
        """Return a point [3] of the optical frame in the table's."""
        return point @ self.axes + self.origin

    def mask(self, number: int) -> np.ndarray:
        """Return where a solid, from 1, is seen."""
        return self.labels == number

    def segments(self) -> list[Segment]:
        """Return a segment of each solid."""
        return [segment(self.mask(number + 1)) for number in range(len(self.solids))]


def segment(mask: np.ndarray, track: int = 0, prompt: str = "thing") -> Segment:
    """Return a segment with this mask, bool [H,W], and its track's id."""
    status = TrackStatus(track, TrackState.CONFIRMED, 0, 0) if track else None
    return Segment(prompt, "a thing", 0.9, Box(0, 0, 1, 1), mask, track=status)
