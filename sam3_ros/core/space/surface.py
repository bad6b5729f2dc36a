"""Which pixels of a mask show the object's own surface: not the background, not between the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.space.depth_image import Metres
from sam3_ros.core.space.interior import Interior
from sam3_ros.core.space.order_statistics import median

# Standard deviation of a normal distribution as a multiple of its median absolute deviation.
_SIGMA_OF_MAD = 1.4826
# Depth further from the median is background. An object's own depth may reach its width.
_SIGMAS, _WIDTHS = 5.0, 1.0
# Two things are apart where nothing is for so long: of the range, of the depth's noise, of the
# object's width, for it may hide a part of itself.
_GAP_OF_RANGE, _GAP_OF_NOISE, _GAP_OF_WIDTH = 0.012, 3.0, 0.4
# Of all values, in a bin: less is flying pixels; the side of a cube seen from above has more.
_NEARLY_EMPTY = 0.001
# A pixel of the rim goes on with the surface if it is no further from it; of the object's width.
_SAME_SURFACE = 0.2
# Where there are too few pixels to measure the noise; of the range.
_USUAL_NOISE = 0.002
_ENOUGH_TO_MEASURE = 20
# Of more pixels a sample says the same.
_LARGE_WINDOW = 10_000
# A pixel so much behind one beside it, of the distance between neighbouring points or of the noise,
# is on the far side of an edge, or between the two sides: flying.
_JUMP_OF_STEP, _JUMP_OF_NOISE = 14.0, 4.0
# A point is on a plane within so much of the range, or of the noise.
_THICKNESS_OF_RANGE, _THICKNESS_OF_NOISE = 0.005, 2.0
# Of a sheet or a phone so much lies on the plane.
_FLAT = 0.5
_FAR = np.float32(1e6)


@dataclass(frozen=True, eq=False)
class Surface:
    """The pixels of an object's surface in its mask's window, at least one."""

    #: bool [h, w]
    mask: Mask
    #: Median z, m.
    range: float
    #: Standard deviation of a pixel's z, m.
    noise: float
    #: Of the interior: its pixels, those with a depth, and those of them on the surface.
    inside: int
    measured: int
    kept: int


def surface_of(
    z: Metres, mask: Mask, interior: Interior, focal: float, heights: Sequence[Metres] = ()
) -> Surface | None:
    """Return the surface in a window: z float32 [h, w] m, NaN where none is measured.

    focal: px. heights: of each pixel over each of the scene's planes, m, [h, w]. First what is just
    behind an edge goes, and what lies on a plane, unless most of the mask does; then what is far
    from the median by the median absolute deviation; then all but the largest cluster in depth.
    Pixels of the rim that go on with the surface come back. None where nothing is measured.
    """
    measured = np.isfinite(z) & interior.mask
    with_depth = int(np.count_nonzero(measured))
    if not with_depth:
        return None
    middle = median(_some(z, measured))
    noise, step = _noise(z, measured, middle), middle / focal
    behind = _just_behind(z, max(_JUMP_OF_STEP * step, _JUMP_OF_NOISE * noise))
    measured, mask = _without(behind, measured, mask, 1.0)
    for height in heights:
        on_plane = np.abs(height) <= plane_thickness(middle, noise)
        measured, mask = _without(on_plane, measured, mask, _FLAT)
    values = _some(z, measured)
    middle = median(values)
    width = middle / focal * float(np.sqrt(np.count_nonzero(mask)))
    off = np.abs(values - np.float32(middle))
    near = max(_SIGMAS * _SIGMA_OF_MAD * median(off), _WIDTHS * width)
    gap = max(_GAP_OF_RANGE * middle, _GAP_OF_NOISE * noise, _GAP_OF_WIDTH * width)
    nearest, farthest = _largest_cluster(values[off <= near], gap)
    nearest, farthest = max(nearest, middle - near), min(farthest, middle + near)
    surface = measured & (z >= np.float32(nearest)) & (z <= np.float32(farthest))
    kept = int(np.count_nonzero(surface))
    if interior.rim:
        surface = _with_rim(z, surface, mask, interior.rim, _SAME_SURFACE * width)
    middle = median(_some(z, surface))
    inside = int(np.count_nonzero(interior.mask))
    return Surface(surface, middle, noise, inside, with_depth, kept)


def _some(z: Metres, chosen: Mask) -> npt.NDArray[np.float32]:
    """Return z of the chosen pixels, of a large window of an even sample of them; at least one."""
    every = 1 + int(np.sqrt(z.size / _LARGE_WINDOW))
    part = (slice(None, None, every), slice(None, None, every))
    values: npt.NDArray[np.float32] = z[part][chosen[part]]
    return values if len(values) > _ENOUGH_TO_MEASURE or every == 1 else z[chosen]


def _without(part: Mask, measured: Mask, mask: Mask, share: float) -> tuple[Mask, Mask]:
    """Take a part out of what is measured and of the mask, if it is less than this share."""
    if np.count_nonzero(part & measured) >= share * np.count_nonzero(measured):
        return measured, mask
    return measured & ~part, mask & ~part


def plane_thickness(z: float, noise: float) -> float:
    """Return how far from a plane a point may be and count as on it, m."""
    return max(_THICKNESS_OF_RANGE * z, _THICKNESS_OF_NOISE * noise)


def _just_behind(z: Metres, jump: float) -> Mask:
    """Return where z is further than at one of the eight pixels around by more than this, m."""
    nearest = cv2.erode(np.where(np.isfinite(z), z, _FAR), np.ones((3, 3), np.uint8))
    behind: Mask = z - nearest > np.float32(jump)
    return behind


def _noise(z: Metres, measured: Mask, middle: float) -> float:
    """Return the standard deviation of a pixel's z, from second differences along the rows.

    A plane has none, however it is inclined; noise of deviation s has some of s sqrt(6).
    """
    every = 1 + z.size // _LARGE_WINDOW
    z, measured = z[::every], measured[::every]
    three = measured[:, :-2] & measured[:, 1:-1] & measured[:, 2:]
    bends = z[:, :-2] - 2 * z[:, 1:-1] + z[:, 2:]
    values = np.abs(bends[three])
    if len(values) < _ENOUGH_TO_MEASURE:
        return _USUAL_NOISE * middle
    return median(values) * _SIGMA_OF_MAD / float(np.sqrt(6))


def _largest_cluster(values: npt.NDArray[np.float32], gap: float) -> tuple[float, float]:
    """Return the range of z, m, of the most values with no gap among them; all z for no gap."""
    least, bin_width = float(values.min()), gap / 2
    counts = np.bincount(((values - least) / bin_width).astype(np.intp))
    full = counts > _NEARLY_EMPTY * len(values)
    if full.all():
        return -np.inf, np.inf
    edges = np.flatnonzero(np.diff(full, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    sums = np.add.reduceat(np.append(counts, 0), edges)[::2]
    best = int(np.argmax(sums))
    # Rounded to float32 in the bins: half of a hundredth more on both sides loses none of it.
    slack = 0.005 * bin_width
    return (
        least + float(starts[best]) * bin_width - slack,
        least + float(ends[best]) * bin_width + slack,
    )


def _with_rim(z: Metres, surface: Mask, mask: Mask, rim: int, allowed: float) -> Mask:
    """Return the surface with what goes on with it: pixels of the rim with the z beside them."""
    square = np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)
    nearest = cv2.erode(np.where(surface, z, _FAR), square)
    farthest = cv2.dilate(np.where(surface, z, -_FAR), square)
    # Comparing with NaN says no, and beside no surface nothing lies between the two.
    with np.errstate(invalid="ignore"):
        goes_on = (z <= nearest + np.float32(allowed)) & (z >= farthest - np.float32(allowed))
    grown: Mask = surface | (goes_on & mask & (nearest < _FAR))
    return grown
