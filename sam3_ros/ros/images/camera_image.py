"""An image of a camera, raw or compressed, to what the segmenter takes, and its levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from sam3_ros.core.images.levels import Levels, levels_of, white_of
from sam3_ros.core.images.size_bound import MAX_MEGAPIXELS
from sam3_ros.ros.images.compressed import decompressed
from sam3_ros.ros.images.conversion import ImageConverter
from sam3_ros.ros.images.messages import (
    ImageMessage,
    Pixels,
    layout_of,
    pixels_of,
    require_bounded,
)
from sam3_ros.ros.images.planar import is_planar


@dataclass(frozen=True, eq=False)
class CameraImage:
    """A camera's image that was read."""

    #: uint8 [H, W, 3], RGB.
    rgb: Pixels
    #: Of the values that the camera sent.
    levels: Levels


def camera_image(
    message: Image | CompressedImage,
    converter: ImageConverter,
    bit_depth: int,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> CameraImage:
    """Read an image message; bit_depth is the bits that the camera puts into 16, 0 for all.

    Raises ImageError, also for an image of more than max_megapixels.
    """
    raw: ImageMessage
    if isinstance(message, CompressedImage):
        raw = decompressed(message, max_megapixels)
    else:
        require_bounded(message, max_megapixels)
        raw = message
    rgb = converter.to_rgb(raw, bit_depth)
    if is_planar(raw.encoding) or layout_of(raw.encoding).bytes_a_channel == 1:
        return CameraImage(rgb, levels_of(rgb, 255))
    values = pixels_of(raw)
    if not values.dtype.isnative:
        values = values.astype(np.uint16)
    return CameraImage(rgb, levels_of(values, white_of(values, bit_depth)))
