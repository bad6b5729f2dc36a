"""What a configured node has where the parameter depth is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from rclpy.node import Node

from sam3_ros.ros.answers.space_outputs import SpaceOutputs
from sam3_ros.ros.cameras import Camera, Cameras
from sam3_ros.ros.depth.ledger import DepthLedger, DepthReport
from sam3_ros.ros.depth.pairs import DepthPairs
from sam3_ros.ros.depth.transforms import Tf2Transforms, Transforms
from sam3_ros.ros.frames.activity import Activity
from sam3_ros.ros.frames.queue import FrameQueue
from sam3_ros.ros.frames.space_answers import CameraSpace, SpaceAnswers
from sam3_ros.ros.node.depth_topics import DepthTopics, depth_topics
from sam3_ros.ros.parameters.configuration import NodeConfiguration


class DepthPipeline:
    """The topics of depth and of answers in space, of all cameras."""

    def __init__(
        self,
        node: Node,
        cameras: Cameras,
        configuration: Callable[[], NodeConfiguration],
        activity: Activity,
        queue: FrameQueue,
        add_latencies: Callable[[Mapping[str, float]], None],
    ) -> None:
        """add_latencies: as SpaceAnswers takes it.

        Raises TransformsMissingError where target_frame is set and tf2 is not installed.
        """
        self._node, self._configuration, self._activity = node, configuration, activity
        with ExitStack() as undo:
            transforms: Transforms | None = None
            if configuration().target_frame:
                transforms = Tf2Transforms(node)
                undo.callback(transforms.destroy)
            self._cameras = {each.name: self._make_camera(each, undo) for each in cameras}
            self._topics = {
                each.name: self._make_topics(each, queue.put_late_depth, undo) for each in cameras
            }
            self._closing = undo.pop_all()
        self.answers = SpaceAnswers(
            self._cameras, transforms, activity, configuration, add_latencies, node.get_logger()
        )

    def note_image(self, camera: str, stamp_ns: int) -> None:
        """Note that an image of the camera came."""
        if self._topics[camera].is_subscribed:
            self._cameras[camera].pairs.note_image(stamp_ns)

    @property
    def topics(self) -> tuple[str, ...]:
        """The full names of the topics of depth and camera_info."""
        return tuple(name for each in self._topics.values() for name in each.names)

    def report(self, camera: str) -> DepthReport:
        """Return the state of a camera's depth; from any thread."""
        return self._cameras[camera].ledger.report()

    def deactivate(self) -> None:
        """Take away what is shown of objects that are followed no more."""
        for camera in self._cameras.values():
            camera.outputs.remove_markers()

    def destroy(self) -> None:
        """Destroy all topics."""
        self._closing.close()

    def _make_camera(self, camera: Camera, undo: ExitStack) -> CameraSpace:
        settings = self._configuration
        outputs = SpaceOutputs(self._node, camera, settings)
        undo.callback(outputs.destroy)
        pairs = DepthPairs(
            lambda: settings().depth_tolerance,
            lambda: settings().clock_jump_s,
            *depth_topics(self._node, camera, settings().depth_transport),
        )
        ledger = DepthLedger(camera.name, self._node.get_logger())
        images = self._node.resolve_topic_name(camera.image_topic)
        return CameraSpace(outputs, pairs, ledger, images)

    def _make_topics(
        self, camera: Camera, wake: Callable[[], None], undo: ExitStack
    ) -> DepthTopics:
        space = self._cameras[camera.name]
        topics = DepthTopics(
            self._node,
            camera,
            self._configuration(),
            space.pairs,
            space.ledger,
            partial(self._is_listened_to, space),
            wake,
        )
        undo.callback(topics.destroy)
        return topics

    def _is_listened_to(self, space: CameraSpace) -> bool:
        return self._activity.is_active and bool(space.outputs.listened_to())
