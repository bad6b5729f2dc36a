"""Objects in space as our own message, which every installation has."""

from __future__ import annotations

import math

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3

from sam3_ros.core.space.spatial_object import SpatialObject, Vector
from sam3_ros.msg import Object3D, Objects3D, SegmentScore
from sam3_ros.ros.answers.segments import scores_message
from sam3_ros.ros.answers.space import SpaceAnswer

# So that a reader that does not look at has_place grasps nothing at the camera.
_NOWHERE = np.full(3, math.nan)
_NOT_TURNED = np.array([0.0, 0.0, 0.0, 1.0])


def objects_message(space: SpaceAnswer) -> Objects3D:
    """Return every segment of the answer in space, in their order."""
    answer, header = space.answer, space.header
    scores = scores_message(answer.segments, answer.label_values, header, answer.numbers).segments
    return Objects3D(
        header=header,
        objects=[
            _object_message(found, score)
            for found, score in zip(space.objects, scores, strict=True)
        ],
    )


def point_of(vector: Vector) -> Point:
    """Return a point, m."""
    x, y, z = map(float, vector)
    return Point(x=x, y=y, z=z)


def vector_of(vector: Vector) -> Vector3:
    """Return a vector."""
    x, y, z = map(float, vector)
    return Vector3(x=x, y=y, z=z)


def pose_of(centre: Vector, quaternion: Vector) -> Pose:
    """Return a pose; quaternion: x, y, z, w."""
    x, y, z, w = map(float, quaternion)
    return Pose(position=point_of(centre), orientation=Quaternion(x=x, y=y, z=z, w=w))


def _object_message(found: SpatialObject, score: SegmentScore) -> Object3D:
    message = Object3D(
        score=score,
        has_place=found.centre is not None and found.box is not None,
        mask_pixels=int(found.mask_pixels),
        valid_pixels=int(found.valid_pixels),
        spread=float(found.spread),
        quality=float(found.quality),
        reason=found.reason,
    )
    if found.centre is None or found.box is None:
        message.centre, message.box_size = point_of(_NOWHERE), vector_of(_NOWHERE)
        message.box_pose = pose_of(_NOWHERE, _NOT_TURNED)
        return message
    message.centre = point_of(found.centre)
    message.box_pose = pose_of(found.box.centre, found.box.quaternion)
    message.box_size = vector_of(found.box.size)
    if found.covariance is not None:
        message.covariance = found.covariance.reshape(-1).tolist()
    if found.velocity is not None:
        message.is_smoothed, message.velocity = True, vector_of(found.velocity)
    return message
