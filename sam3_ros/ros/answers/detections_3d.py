"""Objects in space as vision_msgs/Detection3DArray, where that is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sam3_ros.core.space.spatial_object import OrientedBox, SpatialObject, Vector
from sam3_ros.ros.answers.objects_3d import pose_of, vector_of
from sam3_ros.ros.answers.space import SpaceAnswer
from sam3_ros.ros.answers.vision_msgs import vision_class


def detections_3d_maker(array_class: type[Any]) -> Callable[[SpaceAnswer], Any]:
    """Return a function that makes a vision_msgs/Detection3DArray. Raises MessageTypeError.

    Ids and labels are those of the detections in the image. What has no place is left out.
    """
    detection_class = vision_class("Detection3D")
    hypothesis_class = vision_class("ObjectHypothesisWithPose")

    def detection(
        number: int, found: SpatialObject, centre: Vector, box: OrientedBox, space: SpaceAnswer
    ) -> Any:
        result = hypothesis_class()
        result.hypothesis.class_id = found.label
        # By the message's convention in 0..1; a click's score may lie outside.
        result.hypothesis.score = min(max(float(found.score), 0.0), 1.0)
        result.pose.pose = pose_of(centre, box.quaternion)
        if found.covariance is not None:
            result.pose.covariance = _six_by_six(found.covariance)
        track_id = number if found.track is None else found.track.id
        message = detection_class(header=space.header, results=[result], id=str(track_id))
        message.bbox.center = pose_of(box.centre, box.quaternion)
        message.bbox.size = vector_of(box.size)
        return message

    def detections(space: SpaceAnswer) -> Any:
        return array_class(
            header=space.header,
            detections=[
                detection(number, found, found.centre, found.box, space)
                for number, found in zip(space.answer.numbers, space.objects, strict=True)
                if found.centre is not None and found.box is not None
            ],
        )

    return detections


def _six_by_six(covariance: Vector) -> list[float]:
    """Return that of a pose, row by row: of the rotation nothing is known."""
    rows = [[*map(float, row), 0.0, 0.0, 0.0] for row in covariance]
    return [value for row in rows for value in row] + [0.0] * 18
