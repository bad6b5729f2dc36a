"""A pair of messages to depth and camera, once they are seen to belong to the image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from std_msgs.msg import Header

from sam3_ros.core.errors import ImageError, SpaceError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.sizes import camera_of_size, pixels_per_depth
from sam3_ros.ros.depth.ledger import DepthRefusal, DepthRefusedError
from sam3_ros.ros.depth.pairs import DepthPair
from sam3_ros.ros.images.camera_info import camera_of
from sam3_ros.ros.images.depth import depth_image

_RECTIFIED = re.compile(r"[/_]rect(ified)?([/_]|$)")


@dataclass(frozen=True, eq=False)
class RegisteredDepth:
    """Depth that fits an image, and the camera that both come from."""

    depth: DepthImage
    camera: PinholeCamera


def registered(
    pair: DepthPair, header: Header, size: ImageSize, rectified: bool, max_megapixels: float
) -> RegisteredDepth:
    """Read a pair for the image of this header and size. Raises DepthRefusedError.

    rectified, max_megapixels: the parameters.
    """
    _require_one_frame(pair, header)
    try:
        depth = depth_image(pair.depth, max_megapixels)
        camera = camera_of(pair.info, rectified)
    except (ImageError, SpaceError) as error:
        raise DepthRefusedError(DepthRefusal.UNREADABLE, str(error)) from error
    try:
        pixels_per_depth(size, depth.size)
        camera_of_size(camera, size)
    except SpaceError as error:
        raise DepthRefusedError(DepthRefusal.SIZES, str(error)) from error
    return RegisteredDepth(depth, camera)


def is_named_rectified(topic: str) -> bool:
    """Return whether a topic is one of rectified images by its name, as image_proc calls them."""
    return _RECTIFIED.search(topic) is not None


def _require_one_frame(pair: DepthPair, header: Header) -> None:
    image, depth, info = (
        each.frame_id.removeprefix("/") for each in (header, pair.depth.header, pair.info.header)
    )
    if not image == depth == info:
        raise DepthRefusedError(
            DepthRefusal.FRAMES,
            f"expected image, depth and camera_info of one frame_id, got {image!r}, {depth!r} and "
            f"{info!r}: register the depth to the camera (the driver's aligned depth, or "
            "depth_image_proc), and take the camera_info beside it",
        )
