"""What is known in space of an answered frame: each thing is computed when a message needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.space.camera import PinholeCamera
from sam3_ros.core.space.clouds import Cloud, objects_cloud, organised_points, scene_cloud
from sam3_ros.core.space.depth_image import DepthImage
from sam3_ros.core.space.lift import lift
from sam3_ros.core.space.rigid_transform import RigidTransform
from sam3_ros.core.space.spatial_object import SpatialObject
from sam3_ros.core.timings import Timings
from sam3_ros.ros.answers.messages import Answer

#: Returns the objects with smoothed places.
Smooth = Callable[[Sequence[SpatialObject]], Sequence[SpatialObject]]


@dataclass(frozen=True, eq=False)
class SpaceAnswer:
    """An answered frame with its depth."""

    answer: Answer
    #: Registered to the frame.
    depth: DepthImage
    camera: PinholeCamera
    #: From the camera's frame to that of the messages; None where that is the same.
    transform: RigidTransform | None = None
    #: None: the objects stay as they are.
    smooth: Smooth | None = None
    #: Seconds of each step.
    steps: Timings = field(default_factory=Timings)

    def compute(self, objects: bool, object_points: bool, points: bool, scene_points: bool) -> None:
        """Compute these things now. Raises SpaceError."""
        _ = self.objects if objects else None
        _ = self.object_points if object_points else None
        _ = self.points if points else None
        _ = self.scene_points if scene_points else None

    @cached_property
    def header(self) -> Header:
        """The image's, in the messages' frame."""
        if self.transform is None:
            return self.answer.header
        return Header(stamp=self.answer.header.stamp, frame_id=self.transform.frame)

    @cached_property
    def lifted(self) -> tuple[SpatialObject, ...]:
        """The objects in the camera's frame, one for each segment of the answer."""
        with self.steps.measure("lift"):
            return lift(self.answer.segments, self.depth, self.camera)

    @cached_property
    def objects(self) -> tuple[SpatialObject, ...]:
        """The objects in the messages' frame, smoothed if that is asked for."""
        move, smooth = self.transform, self.smooth
        moved = self.lifted if move is None else tuple(map(move.of_object, self.lifted))
        return moved if smooth is None else tuple(smooth(moved))

    @cached_property
    def points(self) -> Cloud:
        """A point for each pixel of the image, [H, W]."""
        return self._moved(self._camera_points)

    @cached_property
    def scene_points(self) -> Cloud:
        """The points of no object, [N]."""
        answer, points = self.answer, self._depth_points
        with self.steps.measure("clouds"):
            cloud = scene_cloud(answer.segments, self.depth, self.camera, points=points)
        return self._moved(cloud)

    @cached_property
    def object_points(self) -> Cloud:
        """The points that the objects' places come from, [N]."""
        lifted, values = self.lifted, self.answer.label_values
        points = self._depth_points if any(each.valid_pixels for each in lifted) else None
        with self.steps.measure("clouds"):
            cloud = objects_cloud(lifted, self.depth, self.camera, values, points=points)
        return self._moved(cloud)

    @cached_property
    def _depth_points(self) -> Cloud:
        """A point for each pixel of the depth image, in the camera's frame; of all clouds."""
        with self.steps.measure("clouds"):
            return organised_points(self.depth, self.camera, self.answer.image_rgb)

    @property
    def _camera_points(self) -> Cloud:
        if self.depth.size == self._size:
            return self._depth_points
        with self.steps.measure("clouds"):
            return organised_points(self.depth, self.camera, self.answer.image_rgb, size=self._size)

    @property
    def _size(self) -> ImageSize:
        return self.answer.size

    def _moved(self, cloud: Cloud) -> Cloud:
        if self.transform is None:
            return cloud
        with self.steps.measure("clouds"):
            return self.transform.of_cloud(cloud)
