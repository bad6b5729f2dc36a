"""cv_bridge behind our converter's interface, and the choice between the two."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.ros.images.conversion import ImageConverter, OwnConverter
from sam3_ros.ros.images.messages import image_message
from sam3_ros.ros.images.pixel_rows import ImageMessage, Pixels, eight_bit_pixels, layout_of

# ROS 1 ended at 1.16; ROS 2 began at 2.0.
_FIRST_ROS_2_MAJOR = 2


class CvBridgeUnavailableError(ImportError):
    """No cv_bridge that can be used here, and why."""


@dataclass(frozen=True)
class ConverterChoice:
    """The converter to use, and why it is not cv_bridge (empty when it is)."""

    converter: ImageConverter
    why_not_cv_bridge: str


class CvBridgeConverter:
    """cv_bridge for the colours.

    Rows are packed, in native byte order and 8 bits before it sees them: versions of it lose the
    image's width in padded rows, and break on big-endian data with numpy 2.
    """

    name = "cv_bridge"

    def __init__(self) -> None:
        """Raises CvBridgeUnavailableError."""
        self._module = import_ros_2_cv_bridge()
        self._bridge = self._module.CvBridge()
        self._require_that_it_converts()

    def to_rgb(self, message: ImageMessage) -> Pixels:
        pixels = np.ascontiguousarray(eight_bit_pixels(message))
        packed = image_message(pixels, layout_of(message.encoding).eight_bit_encoding)
        try:
            return np.asarray(self._bridge.imgmsg_to_cv2(packed, "rgb8"), np.uint8)
        except self._module.CvBridgeError as error:
            raise ImageError(f"cv_bridge cannot read {message.encoding}: {error}") from error

    def _require_that_it_converts(self) -> None:
        # What it was compiled for (a numpy, an OpenCV) is not loaded, and found missing, before.
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
    """The cv_bridge module of a ROS 2 install. Raises CvBridgeUnavailableError."""
    try:
        version = metadata.version("cv-bridge")
    except metadata.PackageNotFoundError:
        version = ""  # some builds register none; the import decides
    if version and int(version.split(".")[0]) < _FIRST_ROS_2_MAJOR:
        raise CvBridgeUnavailableError(
            f"cv_bridge {version} is the one of ROS 1: pip uninstall cv-bridge, and install "
            "ros-$ROS_DISTRO-cv-bridge where ROS comes from apt"
        )
    try:
        return import_module("cv_bridge")
    except Exception as error:  # built for another numpy or OpenCV, it fails in any way it likes
        raise CvBridgeUnavailableError(f"{type(error).__name__}: {error}") from error


def choose_converter() -> ConverterChoice:
    """cv_bridge where it imports, our own elsewhere."""
    try:
        return ConverterChoice(CvBridgeConverter(), "")
    except CvBridgeUnavailableError as reason:
        return ConverterChoice(OwnConverter(), str(reason))
