"""From segments and a depth image to objects in space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.boxes import free_box, let_down, standing_box
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage, Metres
from sam3_ros.core.space.depth_masks import DepthMask, depth_mask_of
from sam3_ros.core.space.interior import interior_of
from sam3_ros.core.space.local_planes import without_noise
from sam3_ros.core.space.order_statistics import percentiles
from sam3_ros.core.space.planes import Plane, plane_under, planes_of
from sam3_ros.core.space.rays import rays_of
from sam3_ros.core.space.sizes import camera_of_size
from sam3_ros.core.space.spatial_object import (
    BoxStance,
    DepthRemark,
    OrientedBox,
    SpatialObject,
)
from sam3_ros.core.space.surface import Surface, plane_thickness, surface_of
from sam3_ros.core.space.trust import covariance_of, quality_of, remarks_of

Floats = npt.NDArray[np.float64]

#: Fewer pixels with a depth give no place.
LEAST_PIXELS = 6
# A box that ends so near the plane under it stands on it; in thicknesses of a plane, within which
# points were taken for the plane's.
_STANDS_WITHIN = 2.0
# Points that a box is computed from; of a larger surface every second, third, ... row and column.
_MOST_POINTS = 5000


def lift(
    segments: Sequence[Segment],
    depth: DepthImage,
    camera: PinholeCamera,
    up: Sequence[float] | None = None,
) -> tuple[SpatialObject, ...]:
    """Return each segment's place in the camera's optical frame (x right, y down, z forward), m.

    depth: registered to the segments' picture, of its size or smaller by a whole factor. camera: of
    either size. up: a direction in the optical frame along which boxes stand, where it is known;
    otherwise they stand on the plane under them that the depth shows. Raises SpaceError where sizes
    do not fit. Objects without enough depth are in the answer too, with the reason.
    """
    _require_kinds(segments, depth, camera)
    masks = [depth_mask_of(segment, depth.size) for segment in segments]
    camera = camera_of_size(camera, depth.size)
    scene = _Scene(depth, camera, masks, None if up is None else _direction(up))
    return tuple(
        scene.place(index, segment, mask)
        for index, (segment, mask) in enumerate(zip(segments, masks, strict=True))
    )


class _Scene:
    """What the objects of one image share."""

    def __init__(
        self,
        depth: DepthImage,
        camera: PinholeCamera,
        masks: Sequence[DepthMask | None],
        up: Floats | None,
    ) -> None:
        self._z, self._size, self._frame = depth.metres, depth.size, camera.frame
        self._rays = rays_of(camera)
        if any(camera.coefficients):
            self._z = np.where(np.isnan(self._rays.x), np.float32(np.nan), self._z)
        self._focal = float(np.sqrt(camera.fx * camera.fy))
        self._up = up
        self._planes: tuple[Plane, ...] = ()
        if up is None and any(mask is not None for mask in masks):
            self._planes = planes_of(self._z, self._rays, _free(masks, self._size))

    def place(self, index: int, segment: Segment, mask: DepthMask | None) -> SpatialObject:
        """Return the object of one segment."""
        lifted = partial(
            SpatialObject,
            index=index,
            prompt_id=segment.prompt_id,
            label=segment.label,
            score=segment.score,
            track=segment.track,
            frame=self._frame,
        )
        if mask is None:
            # Smaller depth may have no pixel that lies in a small mask as a whole.
            seen = segment.bounds is not None
            remark = DepthRemark.FEW_PIXELS if seen else DepthRemark.NOT_SEEN
            return _placeless(lifted, remark, 0, 0)
        z = self._z[mask.window]
        interior = interior_of(mask.mask, mask.top, mask.left, self._size)
        heights = [self._heights(plane, mask) for plane in self._planes]
        surface = surface_of(z, mask.mask, interior, self._focal, heights)
        pixels = int(np.count_nonzero(mask.mask))
        if surface is None:
            return _placeless(lifted, DepthRemark.NO_DEPTH, pixels, 0)
        places = self._indices(mask)[surface.mask]
        if len(places) < LEAST_PIXELS:
            return _placeless(lifted, DepthRemark.FEW_PIXELS, pixels, len(places))
        step = surface.range / self._focal
        box = self._box(z, surface, mask, step)
        quality = quality_of(surface, interior)
        near, far = percentiles(self._z.ravel()[places[:: 1 + len(places) // 4000]], 5, 95)
        return lifted(
            centre=box.centre,
            box=box,
            covariance=covariance_of(surface, box, quality, step),
            mask_pixels=pixels,
            valid_pixels=len(places),
            spread=far - near,
            quality=quality,
            remarks=remarks_of(surface, interior),
            pixels=places,
        )

    def _box(self, z: Metres, surface: Surface, mask: DepthMask, step: float) -> OrientedBox:
        """Return the box around the surface, from at most about _MOST_POINTS of its points."""
        count = np.count_nonzero(surface.mask)
        every = max(1, int(np.ceil(np.sqrt(count / _MOST_POINTS))))
        part = (slice(None, None, every), slice(None, None, every))
        shown = surface.mask[part]
        smooth = without_noise(z[part], shown, surface.noise, step * every)[shown]
        across, down = (rays[mask.window][part][shown] for rays in (self._rays.x, self._rays.y))
        points = np.stack([across * smooth, down * smooth, smooth]).astype(np.float64)
        if self._up is not None:
            return standing_box(points, self._up, BoxStance.UP, step)
        plane = plane_under(self._planes, points, step * float(np.sqrt(count)))
        if plane is None:
            return free_box(points, step)
        box = standing_box(points, plane.normal, BoxStance.PLANE, step)
        return let_down(
            box,
            plane.normal,
            plane.offset,
            _STANDS_WITHIN * plane_thickness(surface.range, surface.noise),
        )

    def _indices(self, mask: DepthMask) -> npt.NDArray[np.int32]:
        """Return the flat indices of a mask's window into the depth image, int32 [h, w]."""
        rows, columns = (np.arange(each.start, each.stop, dtype=np.int32) for each in mask.window)
        indices: npt.NDArray[np.int32] = rows[:, None] * np.int32(self._size.width) + columns
        return indices

    def _heights(self, plane: Plane, mask: DepthMask) -> Metres:
        """Return how high the pixels of a mask's window are over a plane, m, [h, w]."""
        x, y, z = (np.float32(part) for part in plane.normal)
        across, down = (rays[mask.window] for rays in (self._rays.x, self._rays.y))
        heights: Metres = (x * across + y * down + z) * self._z[mask.window]
        heights -= np.float32(plane.offset)
        return heights


def _placeless(
    lifted: Callable[..., SpatialObject], remark: DepthRemark, pixels: int, valid: int
) -> SpatialObject:
    return lifted(
        centre=None,
        box=None,
        covariance=None,
        mask_pixels=pixels,
        valid_pixels=valid,
        spread=0.0,
        quality=0.0,
        remarks=(remark,),
    )


def _free(masks: Sequence[DepthMask | None], size: ImageSize) -> Mask:
    free = np.ones(size, np.bool_)
    for mask in masks:
        if mask is not None:
            free[mask.window] &= ~mask.mask
    return free


def _require_kinds(segments: object, depth: object, camera: object) -> None:
    """Raise SpaceError for arguments of other kinds: they come from people's scripts."""
    if not isinstance(depth, DepthImage):
        raise SpaceError(f"expected depth as DepthImage(values), got a {type(depth).__name__}")
    if not isinstance(camera, PinholeCamera):
        raise SpaceError(f"expected the camera as a PinholeCamera, got a {type(camera).__name__}")
    if not isinstance(segments, Sequence):
        raise SpaceError(f"expected a list of segments, got a {type(segments).__name__}")
    for segment in segments:
        if not isinstance(segment, Segment):
            raise SpaceError(
                f"expected segments, as a segmenter answers them, got a {type(segment).__name__}"
            )


def _direction(up: Sequence[float]) -> Floats:
    try:
        direction = np.array(up, np.float64)
    except (TypeError, ValueError):
        direction = np.empty(0)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else 0.0
    if not 0 < length < np.inf:
        raise SpaceError(
            f"`up` is a direction of three numbers in the optical frame, got {up!r:.60}"
        )
    return direction / length
