"""A rigid motion between two frames, and objects and clouds moved by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sam3_ros.core.errors import SpaceError
from sam3_ros.core.space.clouds import Cloud
from sam3_ros.core.space.orientation import matrix_of, product_of
from sam3_ros.core.space.spatial_object import OrientedBox, SpatialObject, Vector

_LENGTH_OFF = 1e-3


@dataclass(frozen=True, eq=False)
class RigidTransform:
    """Takes coordinates of a source frame to those of `frame`, as tf2's lookup answers it."""

    #: Of the frame that it leads to.
    frame: str
    #: float64 [3], m.
    translation: Vector
    #: float64 [4], x, y, z, w. Raises SpaceError unless finite and of length 1.
    quaternion: Vector

    def __post_init__(self) -> None:
        moved, turned = _numbers(self.translation, 3), _numbers(self.quaternion, 4)
        length = float(np.linalg.norm(turned))
        if abs(length - 1) > _LENGTH_OFF:
            raise SpaceError(
                f"a quaternion has the length 1, got {turned.tolist()} of length {length:g}"
            )
        object.__setattr__(self, "translation", moved)
        object.__setattr__(self, "quaternion", turned / length)

    @cached_property
    def rotation(self) -> npt.NDArray[np.float64]:
        """float64 [3, 3], the quaternion as a matrix."""
        return matrix_of(self.quaternion)

    def of_point(self, point: Vector) -> Vector:
        """Return a point float64 [3] in the other frame."""
        return self.rotation @ point + self.translation

    def of_object(self, lifted: SpatialObject) -> SpatialObject:
        """Return the object in the other frame: centre, box, covariance and velocity."""
        if lifted.centre is None:
            return replace(lifted, frame=self.frame)
        turn, box = self.rotation, lifted.box
        return replace(
            lifted,
            frame=self.frame,
            centre=self.of_point(lifted.centre),
            box=box and self._of_box(box),
            covariance=None if lifted.covariance is None else turn @ lifted.covariance @ turn.T,
            velocity=None if lifted.velocity is None else turn @ lifted.velocity,
        )

    def _of_box(self, box: OrientedBox) -> OrientedBox:
        turned = product_of(self.quaternion, box.quaternion)
        return replace(box, centre=self.of_point(box.centre), quaternion=turned)

    def of_cloud(self, cloud: Cloud) -> Cloud:
        """Return a copy of the cloud in the other frame; NaN stays NaN."""
        moved: Cloud = cloud.copy()
        x, y, z = cloud["x"], cloud["y"], cloud["z"]
        for name, row, step in zip("xyz", self.rotation, self.translation, strict=True):
            a, b, c, d = (np.float32(value) for value in (*row, step))
            moved[name] = a * x + b * y + c * z + d
        return moved


def _numbers(values: Sequence[float] | Vector, count: int) -> Vector:
    numbers = np.array(values, np.float64)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise SpaceError(f"expected {count} finite numbers of a transform, got {numbers.tolist()}")
    return numbers
