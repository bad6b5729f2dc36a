"""Point clouds: numpy structured arrays whose bytes are the data of a sensor_msgs/PointCloud2.

Little-endian; x, y, z in metres in the camera's optical frame. `rgb` is a float32 whose bits are
0x00RRGGBB, as PCL packs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.masks import Mask
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.depth_masks import depth_mask_of
from sam3_ros.core.space.interior import rim_width
from sam3_ros.core.space.rays import rays_of
from sam3_ros.core.space.sizes import camera_of_size, pixels_per_depth
from sam3_ros.core.space.spatial_object import SpatialObject

#: 16 bytes: of `organised_points` and `scene_cloud`.
POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4")])
#: 24 bytes: of `objects_cloud`. track: 0 where it is not tracked.
OBJECT_POINT = np.dtype([*POINT.descr, ("label", "<u4"), ("track", "<u4")])

Cloud = npt.NDArray[np.void]
RgbPixels = npt.NDArray[np.uint8]


def organised_points(
    depth: DepthImage,
    camera: PinholeCamera,
    image: RgbPixels | None = None,
    size: tuple[int, int] | None = None,
) -> Cloud:
    """Return a point for every pixel: POINT [H, W], NaN in x, y and z where none is measured.

    image: uint8 RGB [H, W, 3] of the picture; None: black. size: (H, W) wanted, the picture's where
    the depth image is smaller by a whole factor; None: the depth image's. Not dense. Raises
    SpaceError where sizes do not fit.
    """
    wanted = ImageSize(*(depth.size if size is None else size))
    factor = pixels_per_depth(wanted, depth.size)
    z = depth.metres
    if factor > 1:
        z = z.repeat(factor, axis=0).repeat(factor, axis=1)
    rays = rays_of(camera_of_size(camera, wanted))
    x, y = cv2.multiply(rays.x, z), cv2.multiply(rays.y, z)
    if any(camera.coefficients):
        z = np.where(np.isnan(x), np.float32(np.nan), z)
    # Merged by OpenCV: three times as fast as numpy's writes with steps.
    rgb = _packed(image, wanted).view(np.float32)
    points: Cloud = cv2.merge([x, y, z, rgb]).view(POINT)[..., 0]
    return points


def objects_cloud(
    objects: Sequence[SpatialObject],
    depth: DepthImage,
    camera: PinholeCamera,
    values: Mapping[str, int],
    image: RgbPixels | None = None,
    points: Cloud | None = None,
) -> Cloud:
    """Return the points that the objects' places come from: OBJECT_POINT [N], dense.

    objects: as `lift` answered them for this depth and camera. values: label value of each prompt
    id. Where objects overlap, a pixel is there once for each. points: `organised_points` of this
    depth at its own size, where they are there already. Raises SpaceError where sizes do not fit,
    and ValueError for a prompt without a value.
    """
    missing = {lifted.prompt_id for lifted in objects} - set(values)
    if missing:
        raise ValueError(f"no label value for the prompts {sorted(missing)}; got {dict(values)}")
    counts = [len(lifted.pixels) for lifted in objects]
    cloud = np.zeros(sum(counts), OBJECT_POINT)
    if not len(cloud):
        return cloud
    places = np.concatenate([lifted.pixels for lifted in objects])
    points = _points_of(depth, camera, image, points)
    # As numbers of 16 bytes: numpy moves these several times as fast as structures.
    chosen = points.view(np.complex128).ravel()[places]
    cloud.view(np.uint8).reshape(-1, OBJECT_POINT.itemsize)[:, : POINT.itemsize] = chosen.view(
        np.uint8
    ).reshape(-1, POINT.itemsize)
    cloud["label"] = np.repeat([values[lifted.prompt_id] for lifted in objects], counts)
    tracks = [lifted.track.id if lifted.track else 0 for lifted in objects]
    cloud["track"] = np.repeat(tracks, counts)
    return cloud


def scene_cloud(
    segments: Sequence[Segment],
    depth: DepthImage,
    camera: PinholeCamera,
    image: RgbPixels | None = None,
    points: Cloud | None = None,
) -> Cloud:
    """Return the points that belong to no segment: POINT [N], dense.

    The masks are grown by the rim that `lift` leaves out, so that no flying pixel of an object is
    left for an occupancy map. points: `organised_points` of this depth at its own size, where they
    are there already. Raises SpaceError where sizes do not fit.
    """
    points = _points_of(depth, camera, image, points)
    z = depth.metres if not any(camera.coefficients) else points["z"]
    keep: Mask = np.isfinite(z)
    for segment in segments:
        _take_out(segment, keep, depth.size)
    return points.view(np.complex128)[keep].view(POINT)


def _points_of(
    depth: DepthImage, camera: PinholeCamera, image: RgbPixels | None, points: Cloud | None
) -> Cloud:
    """Return the points of the depth image, computed unless they are given."""
    if points is None:
        return organised_points(depth, camera, image)
    if points.shape != tuple(depth.size):
        raise SpaceError(f"expected points of the depth image's size, got {points.shape}")
    return points


def _take_out(segment: Segment, keep: Mask, size: ImageSize) -> None:
    """Set False where the grown mask is."""
    found = depth_mask_of(segment, size, whole=False)
    if found is None:
        return
    rim = rim_width(size)
    rows, columns = found.window
    above, before = min(rim, rows.start), min(rim, columns.start)
    below, after = min(rim, size.height - rows.stop), min(rim, size.width - columns.stop)
    mask = found.mask.view(np.uint8)
    framed = cv2.copyMakeBorder(mask, above, below, before, after, cv2.BORDER_CONSTANT, value=0)
    grown = cv2.dilate(framed, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))
    part = keep[
        rows.start - above : rows.stop + below, columns.start - before : columns.stop + after
    ]
    part &= grown == 0


def _packed(image: RgbPixels | None, size: ImageSize) -> npt.NDArray[np.uint32]:
    """Return 0x00RRGGBB of each pixel, uint32 [H, W] of this size; 0 without an image."""
    if image is None:
        return np.zeros(size, np.uint32)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise SpaceError(
            f"expected a picture uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}"
        )
    if image.shape[:2] != tuple(size):
        pixels_per_depth(ImageSize(*image.shape[:2]), size)
        image = np.asarray(
            cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_AREA), np.uint8
        )
    # In memory B, G, R, 255: the number 0xFFRRGGBB, which as a float32 may be NaN.
    packed: npt.NDArray[np.uint32] = cv2.cvtColor(image, cv2.COLOR_RGB2BGRA).view(np.uint32)[..., 0]
    packed &= np.uint32(0x00FFFFFF)
    return packed
