"""From segments and a depth image to objects in space."""

from __future__ import annotations

from collections.abc import Sequence

from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.spatial_object import SpatialObject


def lift(
    segments: Sequence[Segment], depth: DepthImage, camera: PinholeCamera
) -> tuple[SpatialObject, ...]:
    """Return each segment's place in the camera's optical frame (x right, y down, z forward), m.

    depth: registered to the segments' picture, of its size or smaller by a whole factor. camera: of
    either size. Raises SpaceError where sizes do not fit. Objects without enough depth are in the
    answer too, with the reason.
    """
    raise NotImplementedError
