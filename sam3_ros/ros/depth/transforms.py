"""Transforms of tf2, an optional dependency, as the core's."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from sam3_ros.core.errors import Sam3RosError, SpaceError
from sam3_ros.core.space.rigid_transform import RigidTransform
from sam3_ros.ros.depth.ledger import DepthRefusal, DepthRefusedError


class Transforms(Protocol):
    """Where transforms come from."""

    def look_up(self, target_frame: str, header: Header, wait_s: float) -> RigidTransform:
        """Return the one from the header's frame at its stamp, waiting for it at most so long.

        Raises DepthRefusedError.
        """
        ...

    def destroy(self) -> None: ...


class TransformsMissingError(Sam3RosError):
    """target_frame is set, and there is no tf2 here."""


class Tf2Transforms:
    """Listens to /tf and /tf_static, on the node's executor."""

    def __init__(self, node: Node) -> None:
        """Raises TransformsMissingError where tf2_ros is not installed."""
        try:
            tf2: Any = import_module("tf2_ros")
        except ImportError as error:
            raise TransformsMissingError(
                "parameter 'target_frame' needs tf2_ros, which is not installed here: install it "
                "(ros-$ROS_DISTRO-tf2-ros-py), or leave target_frame empty and transform what "
                f"comes in the camera's frame; {error}"
            ) from error
        self._errors: type[Exception] = tf2.TransformException
        self._buffer = tf2.Buffer()
        self._listener = tf2.TransformListener(self._buffer, node, spin_thread=False)

    def look_up(self, target_frame: str, header: Header, wait_s: float) -> RigidTransform:
        source = header.frame_id.removeprefix("/")
        try:
            found = self._buffer.lookup_transform(
                target_frame, source, Time.from_msg(header.stamp), Duration(seconds=wait_s)
            ).transform
        except self._errors as error:
            raise DepthRefusedError(
                DepthRefusal.NO_TRANSFORM,
                f"from {source!r} to target_frame {target_frame!r} at the image's stamp, within "
                f"{wait_s:g} s: {error}",
            ) from error
        moved, turned = found.translation, found.rotation
        try:
            return RigidTransform(
                target_frame,
                (moved.x, moved.y, moved.z),  # type: ignore[arg-type]  # it makes arrays of them
                (turned.x, turned.y, turned.z, turned.w),  # type: ignore[arg-type]
            )
        except SpaceError as error:
            raise DepthRefusedError(DepthRefusal.NO_TRANSFORM, str(error)) from error

    def destroy(self) -> None:
        """Listen no more."""
        self._listener.unregister()
