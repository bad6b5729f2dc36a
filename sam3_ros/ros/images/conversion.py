"""A sensor_msgs/Image to an RGB array: by cv_bridge where it works, by our own code elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Protocol

import cv2
import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.messages import (
    ImageMessage,
    Pixels,
    eight_bit_pixels,
    image_message,
    layout_of,
)
from sam3_ros.ros.images.planar import is_planar, planar_rgb

# ROS 1 ended at 1.16; ROS 2 began at 2.0.
_FIRST_ROS_2_MAJOR = 2


class ImageConverter(Protocol):
    """What OwnConverter and CvBridgeConverter have in common; the same tests hold for both."""

    name: str

    def to_rgb(self, message: ImageMessage, bit_depth: int = 0) -> Pixels:
        """Return uint8 [H, W, 3], RGB; may share memory with the message. Raises ImageError.

        bit_depth: the bits that the camera puts into 16; 0 for all of them.
        """
        ...


@dataclass(frozen=True)
class ConverterChoice:
    """The converter to use."""

    converter: ImageConverter
    #: Empty if it is cv_bridge.
    why_not_cv_bridge: str


class CvBridgeUnavailableError(ImportError):
    """There is no cv_bridge that can be used here; the message says why."""


def choose_converter() -> ConverterChoice:
    """Return cv_bridge where it works, our own converter elsewhere."""
    try:
        return ConverterChoice(CvBridgeConverter(), "")
    except CvBridgeUnavailableError as reason:
        return ConverterChoice(OwnConverter(), str(reason))


# YUV is BT.601 with limited range, as cameras send it.
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "bayer_rggb8": cv2.COLOR_BayerRGGB2RGB,
    "bayer_bggr8": cv2.COLOR_BayerBGGR2RGB,
    "bayer_gbrg8": cv2.COLOR_BayerGBRG2RGB,
    "bayer_grbg8": cv2.COLOR_BayerGRBG2RGB,
    "yuv422": cv2.COLOR_YUV2RGB_UYVY,
    "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
}


class OwnConverter:
    """OpenCV on a view of the message's bytes, without a copy before the colour conversion."""

    name = "own"

    def to_rgb(self, message: ImageMessage, bit_depth: int = 0) -> Pixels:
        """Convert as ImageConverter says."""
        if is_planar(message.encoding):
            return planar_rgb(message)
        pixels = eight_bit_pixels(message, bit_depth)
        encoding = layout_of(message.encoding).eight_bit_encoding
        if encoding == "rgb8":
            return pixels
        return np.asarray(cv2.cvtColor(pixels, _TO_RGB[encoding]), np.uint8)


class CvBridgeConverter:
    """cv_bridge for the colours.

    Rows are packed, in native byte order and 8 bits before it sees them: some versions lose the
    image's width in padded rows, and break on big-endian data with numpy 2. Encodings with planes
    do not reach it: which of them it knows differs between its versions.
    """

    name = "cv_bridge"

    def __init__(self) -> None:
        """Import cv_bridge and try it. Raises CvBridgeUnavailableError."""
        self._module = import_ros_2_cv_bridge()
        self._bridge = self._module.CvBridge()
        self._require_that_it_converts()

    def to_rgb(self, message: ImageMessage, bit_depth: int = 0) -> Pixels:
        """Convert as ImageConverter says."""
        if is_planar(message.encoding):
            return planar_rgb(message)
        pixels = np.ascontiguousarray(eight_bit_pixels(message, bit_depth))
        packed = image_message(pixels, layout_of(message.encoding).eight_bit_encoding)
        try:
            return np.asarray(self._bridge.imgmsg_to_cv2(packed, "rgb8"), np.uint8)
        except self._module.CvBridgeError as error:
            raise ImageError(f"cv_bridge cannot read {message.encoding}: {error}") from error

    def _require_that_it_converts(self) -> None:
        # It loads its C++ part, built for a certain numpy and OpenCV, only when it converts.
        bgr = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)
        try:
            rgb = self.to_rgb(image_message(bgr, "bgr8"))
        except Exception as error:
            raise CvBridgeUnavailableError(
                f"it cannot convert an image: {type(error).__name__}: {error}"
            ) from error
        if not np.array_equal(rgb, bgr[:, :, ::-1]):
            raise CvBridgeUnavailableError("it mixes up the colours of an image")


def import_ros_2_cv_bridge() -> Any:
    """Return the cv_bridge module of a ROS 2 install. Raises CvBridgeUnavailableError."""
    try:
        version = metadata.version("cv-bridge")
    except metadata.PackageNotFoundError:
        version = ""  # some builds register no version; the import decides
    if version and int(version.split(".")[0]) < _FIRST_ROS_2_MAJOR:
        raise CvBridgeUnavailableError(
            f"cv_bridge {version} is the one of ROS 1: pip uninstall cv-bridge, and install "
            "ros-$ROS_DISTRO-cv-bridge where ROS comes from apt"
        )
    try:
        return import_module("cv_bridge")
    except Exception as error:  # built for another numpy or OpenCV, it can raise anything
        raise CvBridgeUnavailableError(f"{type(error).__name__}: {error}") from error
