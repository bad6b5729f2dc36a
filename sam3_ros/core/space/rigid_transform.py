"""A rigid motion between two frames, and objects and clouds moved by it."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.space.clouds import Cloud
from sam3_ros.core.space.spatial_object import SpatialObject, Vector


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Takes coordinates of a source frame to those of `frame`, as tf2's lookup answers it."""

    #: Of the frame that it leads to.
    frame: str
    #: float64 [3], m.
    translation: Vector
    #: float64 [4], x, y, z, w. Raises SpaceError unless finite and of length 1.
    quaternion: Vector

    def of_object(self, lifted: SpatialObject) -> SpatialObject:
        """Return the object in the other frame: centre, box, covariance and velocity."""
        raise NotImplementedError

    def of_cloud(self, cloud: Cloud) -> Cloud:
        """Return a copy of the cloud in the other frame; NaN stays NaN."""
        raise NotImplementedError
