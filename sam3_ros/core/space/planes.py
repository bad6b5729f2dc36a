"""The large planes of a scene: table, floor, shelf, wall. Things stand on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.space.depth_image import Metres
from sam3_ros.core.space.order_statistics import percentiles
from sam3_ros.core.space.rays import Rays

Floats = npt.NDArray[np.float64]

_MOST_PLANES = 3
# Sampled points along the longer side, and along the side of a block of them that gives a first
# guess. A block that lies on one plane gives it well; the points of all blocks judge the guesses.
_SAMPLES, _BLOCK = 56, 7
_LEAST_OF_BLOCK = 0.4
# A point is on a plane within so much of its z.
_THICKNESS = 0.012
# A plane has at least so much of the sampled points.
_LEAST_SHARE = 0.12
_REFINEMENTS = 3
# The guesses are judged by every third point, and the best is fitted to all.
_JUDGE_EVERY = 3
# Of an object's points, to say on which plane it stands.
_ENOUGH = 1000


@dataclass(frozen=True, eq=False)
class Plane:
    """Points p with normal . p = offset, in the camera's frame."""

    #: float64 [3], of length 1, to the side on which the camera is.
    normal: Floats
    #: m, negative or 0.
    offset: float
    #: Sampled points on it.
    points: int

    def heights(self, points: Floats) -> Floats:
        """Return how far points [3, N] are on the camera's side of it, m."""
        heights: Floats = self.normal @ points - self.offset
        return heights


def planes_of(z: Metres, rays: Rays, free: Mask) -> tuple[Plane, ...]:
    """Return the scene's planes, largest first.

    z: float32 [H, W], m, NaN where none is measured. free: bool [H, W], where no object is.
    """
    step = max(1, max(z.shape) // _SAMPLES)
    part = (slice(step // 2, None, step), slice(step // 2, None, step))
    depth: Floats = np.where(free[part], z[part], np.float32(np.nan)).astype(np.float64)
    across, down = rays.x[part].astype(np.float64), rays.y[part].astype(np.float64)
    directions: Floats = np.stack([across, down, np.ones_like(across)], axis=-1)
    usable = np.isfinite(depth) & np.isfinite(directions).all(axis=-1)
    guesses = _guesses(depth, directions, usable)
    depths = depth[usable]
    points = directions[usable].T * depths
    whole, found = len(depths), list[Plane]()
    while len(found) < _MOST_PLANES and len(guesses) and len(depths) > _LEAST_SHARE * whole:
        plane, on_it = _best(guesses, points, depths)
        if plane is None or plane.points < _LEAST_SHARE * whole:
            break
        found.append(plane)
        points, depths = points[:, ~on_it], depths[~on_it]
    return tuple(found)


def _guesses(depth: Floats, directions: Floats, usable: Mask) -> Floats:
    """Return the plane of each block as m with m . p = 1, float64 [N, 3].

    Along a ray of direction r the plane is at 1/z = m . r: linear in m.
    """
    rows, columns = (length // _BLOCK for length in depth.shape)

    def in_blocks(values: Floats) -> Floats:
        cut = values[: rows * _BLOCK, : columns * _BLOCK]
        shape = (rows, _BLOCK, columns, _BLOCK, *values.shape[2:])
        blocks = np.moveaxis(cut.reshape(shape), 2, 1)
        return blocks.reshape(rows * columns, _BLOCK * _BLOCK, *values.shape[2:])

    enough = in_blocks(usable.astype(np.float64))
    nearness = in_blocks(np.where(usable, 1 / np.where(usable, depth, 1), 0.0))
    rays = in_blocks(np.where(usable[..., None], directions, 0.0))
    chosen = enough.sum(axis=1) >= _LEAST_OF_BLOCK * _BLOCK * _BLOCK
    rays, nearness = rays[chosen], nearness[chosen]
    moments = np.einsum("bni,bnj->bij", rays, rays)
    # Blocks of few points in a line would have no single plane.
    moments += 1e-9 * np.eye(3)
    return np.linalg.solve(moments, np.einsum("bni,bn->bi", rays, nearness)[..., None])[..., 0]


def _best(guesses: Floats, points: Floats, depths: Floats) -> tuple[Plane | None, Mask]:
    """Return the plane with the most points, fitted to them, and which those are."""
    lengths = np.linalg.norm(guesses, axis=1)
    guesses = guesses[lengths > 1e-6]
    nothing = np.zeros(len(depths), np.bool_)
    if not len(guesses):
        return None, nothing
    thickness = _THICKNESS * depths
    some = slice(None, None, _JUDGE_EVERY)
    lengths = np.linalg.norm(guesses, axis=1)
    near = np.abs(guesses @ points[:, some] - 1) <= lengths[:, None] * thickness[some]
    best = int(np.argmax(np.count_nonzero(near, axis=1)))
    normal, offset = guesses[best] / lengths[best], 1 / float(lengths[best])
    on_it = np.abs(normal @ points - offset) <= thickness
    for _ in range(_REFINEMENTS):
        if np.count_nonzero(on_it) < 3:
            return None, nothing
        members = points[:, on_it]
        middle = members.mean(axis=1)
        off = members - middle[:, None]
        normal = np.linalg.eigh(off @ off.T)[1][:, 0]
        offset = float(normal @ middle)
        on_it = np.abs(normal @ points - offset) <= thickness
    if offset > 0:
        normal, offset = -normal, -offset
    return Plane(normal, offset, int(np.count_nonzero(on_it))), on_it


def plane_under(
    planes: Sequence[Plane], points: npt.NDArray[np.floating[Any]], size: float
) -> Plane | None:
    """Return the plane that an object stands on, else the largest; None of none.

    points: of its surface, [3, N], m. size: its width, m. It stands on a plane if it lies on the
    camera's side of it, and begins less than its own width away.
    """
    some = points[:, :: -(-points.shape[1] // _ENOUGH)].astype(np.float64)
    under: Plane | None = None
    closest = size
    for plane in planes:
        begins = percentiles(plane.heights(some), 2)[0]
        if -0.25 * size <= begins < closest:
            under, closest = plane, begins
    return under or (planes[0] if planes else None)
