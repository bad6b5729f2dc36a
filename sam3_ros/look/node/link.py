"""Everything that connects the page with one node; for the ROS thread, but for what says other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile

from sam3_ros.asking.nodes import segmentation_nodes
from sam3_ros.look.node.answers import AnswerMemory, ScoredImage
from sam3_ros.look.node.asks import PromptAsks
from sam3_ros.look.node.calls import ServiceCalls
from sam3_ros.look.node.camera_feed import CameraFeed, NodeViewer
from sam3_ros.look.node.camera_images import CameraImages, ImageTopic
from sam3_ros.look.node.parameters import NodeParameters
from sam3_ros.look.node.prompt_list import NodePrompts
from sam3_ros.look.node.report import Reports, read_health_report
from sam3_ros.look.node.sighting import cameras_of, image_topics_of, topics_of_camera
from sam3_ros.look.node.troubles import NodeSight
from sam3_ros.look.viewing import PictureStamp, Verdict
from sam3_ros.msg import ActivePrompts, Prompts, PromptStatus
from sam3_ros.ros.qos import LATCHED

# Listing what is there copies the names of all of it.
_SECONDS_BETWEEN_LOOKS = 1.0
# A prompt that the node has dropped is told for so long.
_TOLD_SECONDS = 10.0


@dataclass(eq=False)
class CameraLink:
    """What is there for one camera."""

    answers: AnswerMemory
    images: CameraImages
    feed: CameraFeed


class NodeLink:
    """Subscribes to what is light for as long as it lives, to pictures while they are watched."""

    def __init__(self, node: Node, name: str) -> None:
        """name: the full name of the node that is looked at."""
        self.node, self.name = node, name
        self.prompts = NodePrompts()
        self.calls = ServiceCalls(node, self.why_deaf)
        self.parameters = NodeParameters(node, name, self.calls)
        self.asks = PromptAsks(node, name, self.why_deaf)
        self.asks.on_dropped = self._on_dropped
        # Replaced as a whole, and read by any thread.
        self.reports = Reports()
        self.sight = NodeSight(name, is_listed=False)
        self.cameras: tuple[str, ...] = ()
        self.dropped: tuple[tuple[float, str], ...] = ()
        self.links: dict[str, CameraLink] = {}
        #: Called with a camera and each of its answers.
        self.on_answer: Callable[[str, ScoredImage], None] | None = None
        self._image_topics: tuple[ImageTopic, ...] = ()
        self._viewers: list[NodeViewer] = []
        self._next_look = float("-inf")
        self._light = [
            node.create_subscription(
                ActivePrompts, f"{name}/active_prompts", self.prompts.take, LATCHED
            ),
            node.create_subscription(
                DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=10)
            ),
        ]

    @property
    def namespace(self) -> str:
        return self.name.rpartition("/")[0] or "/"

    def tick(self) -> None:
        """Do what is due; some times a second."""
        self.asks.tick()
        self.calls.tick()
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _SECONDS_BETWEEN_LOOKS
            self._look()
            self.dropped = tuple(each for each in self.dropped if now - each[0] < _TOLD_SECONDS)
        for link in self.links.values():
            link.feed.refresh()

    def add_viewer(self, viewer: NodeViewer) -> None:
        """Show pictures to a viewer, as soon as there is such a camera."""
        self._viewers.append(viewer)
        if (link := self.links.get(viewer.view.camera)) is not None:
            link.feed.add(viewer)

    def remove_viewer(self, viewer: NodeViewer) -> None:
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if (link := self.links.get(viewer.view.camera)) is not None:
            link.feed.remove(viewer)

    def ask(
        self, message: Prompts, future: Future[Verdict], stamp: PictureStamp | None = None
    ) -> None:
        """Publish prompts; the future gets what becomes of them."""
        self.asks.ask(message, future, stamp)

    def newest(self, camera: str) -> ScoredImage | None:
        """Return the camera's newest answer; from any thread."""
        link = self.links.get(camera)
        return None if link is None else link.answers.newest

    def answer_of(self, camera: str, stamp: PictureStamp) -> ScoredImage | None:
        """Return the first answer to an image that is still known."""
        link = self.links.get(camera)
        answers = [] if link is None else link.answers.of(stamp)
        return answers[0] if answers else None

    def find_images(self) -> None:
        """Look from which topics the node takes its images."""
        self._image_topics = image_topics_of(self.node, self.name)

    def why_deaf(self) -> str:
        """Say why the node hears nobody."""
        if not self.sight.is_listed:
            return f"{self.name} is not there: start it, then ask again"
        report = self.reports.last
        state = "loading its model" if report is None else report.node.state
        return f"{self.name} takes no questions, it is {state}: ask again once it is active"

    def close(self) -> None:
        for link in self.links.values():
            link.feed.close()
        self.asks.close()
        self.calls.close()
        self.parameters.close()
        for subscription in self._light:
            self.node.destroy_subscription(subscription)

    def _look(self) -> None:
        others = segmentation_nodes(self.node)
        is_listed, was_listed = self.name in others, self.sight.is_listed
        if was_listed and not is_listed:
            self.prompts.lose_node()
        if is_listed:
            self._look_at_cameras()
            if not was_listed:
                self.parameters.ask()
        self.sight = NodeSight(
            self.name,
            is_listed,
            was_there=self.sight.was_there or is_listed,
            others=tuple(each for each in others if each != self.name),
            active_s=self.reports.active_s,
            outputs=self.parameters.outputs if is_listed else None,
        )

    def _look_at_cameras(self) -> None:
        # While it is not configured it has none; those that are watched come back.
        cameras = cameras_of(self.node, self.name) or self.cameras
        if cameras != self.cameras or any(each.images.is_needed for each in self.links.values()):
            self.find_images()
        for camera in cameras:
            if camera not in self.links:
                self.links = {**self.links, camera: self._link_to(camera)}
                for viewer in [each for each in self._viewers if each.view.camera == camera]:
                    self.links[camera].feed.add(viewer)
        self.cameras = cameras
        for link in self.links.values():
            link.images.refresh()

    def _link_to(self, camera: str) -> CameraLink:
        prefix = f"{self.name}/{camera}" if camera else self.name
        answers = AnswerMemory(camera, self.prompts.name_of)
        images = CameraImages(self.node, lambda: self._topics_of(camera))
        on_answer = partial(self._on_answer, camera)
        feed = CameraFeed(self.node, prefix, camera, answers, images, on_answer)
        return CameraLink(answers, images, feed)

    def _topics_of(self, camera: str) -> tuple[ImageTopic, ...]:
        return topics_of_camera(camera, self.cameras, self._image_topics, self.namespace)

    def _on_answer(self, camera: str, answer: ScoredImage) -> None:
        self.asks.on_answer(answer)
        if self.on_answer is not None:
            self.on_answer(camera, answer)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        report = read_health_report(message, self.name)
        if report is not None:
            before, self.reports = self.reports, self.reports.with_next(report)
            if before.last is not None and before.last.node.state != report.node.state:
                self.parameters.ask()

    def _on_dropped(self, status: PromptStatus) -> None:
        of = f" of camera {status.camera}" if status.camera else ""
        words = f"{status.prompt_id!r}{of} is not asked any more: {status.reason}"
        self.dropped = (*self.dropped[-4:], (time.monotonic(), words))
