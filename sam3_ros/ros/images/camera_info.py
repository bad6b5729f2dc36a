"""A CameraInfo message to the camera that depth is seen by."""

from __future__ import annotations

from typing import Any

from sam3_ros.core.space.camera import PinholeCamera


def camera_of(message: Any, rectified: bool) -> PinholeCamera:
    """Return the camera. Raises SpaceError, as PinholeCamera.of_camera_info.

    message: a sensor_msgs/CameraInfo, or what has its fields. rectified: the images are: the matrix
    P holds, and no lens.
    """
    roi = message.roi
    return PinholeCamera.of_camera_info(
        (message.height, message.width),
        message.k,
        frame=message.header.frame_id,
        model=message.distortion_model,
        d=message.d,
        p=message.p,
        rectified=rectified,
        binning=(message.binning_x, message.binning_y),
        roi=(roi.x_offset, roi.y_offset, roi.width, roi.height),
    )
