"""The topics in space of a camera; a message is made only if somebody subscribes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from sam3_ros.msg import Objects3D
from sam3_ros.ros.answers.clouds import cloud_message
from sam3_ros.ros.answers.detections_3d import detections_3d_maker
from sam3_ros.ros.answers.markers import Markers, find_markers
from sam3_ros.ros.answers.objects_3d import objects_message
from sam3_ros.ros.answers.space import SpaceAnswer
from sam3_ros.ros.answers.vision_msgs import find_detections_3d
from sam3_ros.ros.cameras import Camera
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.qos import create_publisher

# As of the other outputs.
_QOS = QoSProfile(depth=5)
MARKERS = "markers"
_OF_OBJECTS = frozenset({"objects", "detections_3d", MARKERS})

Maker = Callable[[SpaceAnswer], Any]


class SpaceOutputs:
    """The publishers in space of a camera."""

    def __init__(
        self, node: Node, camera: Camera, settings: Callable[[], NodeConfiguration]
    ) -> None:
        """Create the publishers. settings: returns the configuration as it is now."""
        self._node = node
        self._settings = settings
        kinds: dict[str, type[Any]] = {"objects": Objects3D}
        # In the order of publishing: what robots steer by comes first.
        self._makers: dict[str, Maker] = {"objects": objects_message}
        missing = []
        detections, why_no_detections = find_detections_3d()
        if detections is None:
            missing.append(f"no ~/detections_3d ({why_no_detections})")
        else:
            kinds["detections_3d"] = detections
            self._makers["detections_3d"] = detections_3d_maker(detections)
        for output, make in _CLOUDS.items():
            kinds[output], self._makers[output] = PointCloud2, make
        self._markers: Markers | None = None
        marker_class, why_no_markers = find_markers()
        if marker_class is None:
            missing.append(f"no ~/markers ({why_no_markers})")
        else:
            self._markers = Markers(marker_class)
            kinds[MARKERS], self._makers[MARKERS] = marker_class, self._markers.message
        if missing:
            node.get_logger().info("; ".join(missing), once=True)
        self._publishers: dict[str, Publisher] = {
            output: create_publisher(node, kind, camera.topic(output), _QOS)
            for output, kind in kinds.items()
        }

    def listened_to(self) -> tuple[str, ...]:
        """Return the outputs, such as `objects`, that are wanted and have a subscriber now."""
        wanted = self._settings().outputs
        return tuple(
            output
            for output, publisher in self._publishers.items()
            if output in wanted and publisher.get_subscription_count() > 0
        )

    def messages(self, space: SpaceAnswer, outputs: Sequence[str]) -> Mapping[str, Any]:
        """Make the messages of these outputs. Raises SpaceError."""
        wanted = frozenset(outputs)
        # First, so that the time of the work and that of the messages are told apart.
        space.compute(bool(wanted & _OF_OBJECTS), *(each in wanted for each in _CLOUDS))
        with space.steps.measure("space messages"):
            return {
                output: make(space) for output, make in self._makers.items() if output in outputs
            }

    def publish(self, made: Mapping[str, Any]) -> None:
        """Publish them."""
        for output, message in made.items():
            self._publishers[output].publish(message)

    def remove_markers(self) -> None:
        """Take away the markers that are shown: nothing new comes."""
        publisher = self._publishers.get(MARKERS)
        if self._markers is not None and publisher is not None:
            message = self._markers.removal(Header(stamp=self._node.get_clock().now().to_msg()))
            if message is not None:
                publisher.publish(message)

    def destroy(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()


def _objects_cloud(space: SpaceAnswer) -> PointCloud2:
    return cloud_message(space.object_points, space.header, is_dense=True)


def _points(space: SpaceAnswer) -> PointCloud2:
    return cloud_message(space.points, space.header, is_dense=False)


def _scene_cloud(space: SpaceAnswer) -> PointCloud2:
    return cloud_message(space.scene_points, space.header, is_dense=True)


# `points` before `scene_cloud`, which takes its points from it.
_CLOUDS: Mapping[str, Maker] = {
    "objects_cloud": _objects_cloud,
    "points": _points,
    "scene_cloud": _scene_cloud,
}
