"""Holds a picture with the image that it shows, so that questions to it can be answered later.

A picture on a topic has masks drawn on it, and the node keeps few images. So the image itself is
subscribed to for a moment, until one comes that the node answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sam3_ros.look.node.answers import stamp_of
from sam3_ros.look.node.held import HeldNodePicture
from sam3_ros.look.node.held_prompts import HeldStart
from sam3_ros.look.node.link import NodeLink
from sam3_ros.look.node.message_segments import segments_of
from sam3_ros.look.node.settling import settle
from sam3_ros.look.node.tap import Tap
from sam3_ros.look.viewing import Holding, Verdict, View
from sam3_ros.msg import Segments
from sam3_ros.ros.error_text import described
from sam3_ros.ros.images.camera_image import camera_image
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.srv import Segment as SegmentService

# Without images, and for an image to be answered: a large model takes seconds for one.
_SILENCE_SECONDS, _PATIENCE_SECONDS = 3.0, 20.0
_NO_IMAGE = (
    f"no image has come for {_SILENCE_SECONDS:g} s, so there is nothing to hold: the last picture "
    "stays, and can be clicked on"
)
_NO_ANSWER = (
    f"images come, and the node has answered none for {_PATIENCE_SECONDS:g} s: is it active?"
)
_NO_SEGMENTS = (
    "the node's parameter `outputs` leaves the segments out, which a held picture is made of"
)
_NO_TOPIC = "it is not known from which topic the node takes the images of this camera"
_GONE = "the node is gone, so there is nothing to hold: the last picture stays"
Post = Callable[[Callable[[], None]], None]


@dataclass(eq=False)
class _Hold:
    view: View
    future: Future[Holding]
    began: float = field(default_factory=time.monotonic)


class Holder:
    """Holds pictures; for the ROS thread, which draws nothing: another one does."""

    def __init__(self, link: NodeLink, post: Post) -> None:
        """post: has something done on the ROS thread."""
        self._link, self._post = link, post
        self._waiting: list[_Hold] = []
        self._taps: dict[str, Tap] = {}
        self._drawing = ThreadPoolExecutor(1, "look: drawing")
        self._segment = link.calls.client(SegmentService, f"{link.name}/segment")

    def hold(self, view: View, future: Future[Holding]) -> None:
        """Hold the camera's next picture; the future gets it, or why there is none."""
        camera = self._link.links.get(view.camera)
        if camera is None:
            settle(future, _refused(f"there is no camera {view.camera!r}: choose one of the list"))
            return
        outputs = self._link.parameters.outputs
        if outputs is not None and "segments" not in outputs:
            settle(future, _refused(_NO_SEGMENTS))
            return
        self._waiting.append(_Hold(view, future))
        self._link.find_images()
        camera.images.need()
        self._tap(view.camera).set_open(True)

    def tick(self) -> None:
        """Give up what has waited too long; some times a second."""
        now = time.monotonic()
        for hold in list(self._waiting):
            images = self._link.links[hold.view.camera].images
            if now - max(hold.began, images.newest_at) > _SILENCE_SECONDS:
                reason = _NO_IMAGE if images.has_topics else _NO_TOPIC
                if not self._link.sight.is_listed:
                    reason = _GONE
                self._end(hold)
                settle(hold.future, _refused(reason))
            elif now - hold.began > _PATIENCE_SECONDS:
                self._end(hold)
                settle(hold.future, _refused(_NO_ANSWER))
            elif not images.has_topics:
                self._link.find_images()
                images.refresh()

    def close(self) -> None:
        for hold in list(self._waiting):
            self._end(hold)
            settle(hold.future, _refused("sam3-ros look ends"))
        self._drawing.shutdown(wait=False, cancel_futures=True)

    def _tap(self, camera: str) -> Tap:
        if camera not in self._taps:
            name = self._link.name
            prefix = f"{name}/{camera}" if camera else name
            self._taps[camera] = Tap(
                self._link.node,
                Segments,
                f"{prefix}/segments",
                lambda message: self._on_segments(camera, message),
            )
        return self._taps[camera]

    def _end(self, hold: _Hold) -> None:
        self._waiting.remove(hold)
        camera = hold.view.camera
        self._link.links[camera].images.release()
        if not any(each.view.camera == camera for each in self._waiting):
            self._taps[camera].set_open(False)

    def _on_segments(self, camera: str, message: Segments) -> None:
        holds = [each for each in self._waiting if each.view.camera == camera]
        stamp = stamp_of(message.header)
        images = self._link.links[camera].images
        image = images.find(stamp, message.header.frame_id)
        images.note_answer(stamp)
        if image is None or not holds:
            return  # it came before we listened
        asked = self._link.prompts.asked_of(camera)
        bit_depth, threshold = self._link.parameters.bit_depth, self._link.parameters.threshold
        report = self._link.reports.last
        bundle = "" if report is None else report.text("bundle name")
        for hold in holds:
            self._end(hold)

        def draw(hold: _Hold) -> None:
            try:
                start = HeldStart(
                    camera=camera,
                    stamp=stamp,
                    message=image,
                    rgb=camera_image(image, OwnConverter(), bit_depth).rgb,
                    segments=segments_of(message),
                    asked=asked,
                    name_of=self._link.prompts.name_of,
                    node_threshold=threshold,
                    bundle=bundle,
                )
                held = HeldNodePicture(start, hold.view, self._ask, self._drawing)
                settle(hold.future, Holding(Verdict(True), held))
            except Exception as error:  # so that nobody waits for ever
                settle(hold.future, _refused(described(error)))

        for hold in holds:
            self._drawing.submit(draw, hold)

    def _ask(
        self,
        request: SegmentService.Request,
        on_response: Callable[[SegmentService.Response], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """Call the node's service; from any thread."""
        self._post(lambda: self._link.calls.call(self._segment, request, on_response, on_failure))


def _refused(reason: str) -> Holding:
    return Holding(Verdict(False, reason))
