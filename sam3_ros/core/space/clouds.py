"""Point clouds: numpy structured arrays whose bytes are the data of a sensor_msgs/PointCloud2.

Little-endian; x, y, z in metres in the camera's optical frame. `rgb` is a float32 whose bits are
0x00RRGGBB, as PCL packs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage
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
    the depth image is smaller by a whole factor; None: the depth image's. Not dense.
    """
    raise NotImplementedError


def objects_cloud(
    objects: Sequence[SpatialObject],
    depth: DepthImage,
    camera: PinholeCamera,
    values: Mapping[str, int],
    image: RgbPixels | None = None,
) -> Cloud:
    """Return the points that the objects' places come from: OBJECT_POINT [N], dense.

    objects: as `lift` answered them for this depth and camera. values: label value of each prompt
    id. Where objects overlap, a pixel is there once for each.
    """
    raise NotImplementedError


def scene_cloud(
    segments: Sequence[Segment],
    depth: DepthImage,
    camera: PinholeCamera,
    image: RgbPixels | None = None,
) -> Cloud:
    """Return the points that belong to no segment: POINT [N], dense.

    The masks are grown by the rim that `lift` leaves out, so that no flying pixel of an object is
    left for an occupancy map.
    """
    raise NotImplementedError
