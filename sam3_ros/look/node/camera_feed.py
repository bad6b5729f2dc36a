"""The pictures of one camera: subscribed to while somebody watches, joined with their answers."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from sam3_ros.core.errors import ImageError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.look.node.answers import AnswerMemory, ScoredImage, stamp_of
from sam3_ros.look.node.camera_images import CameraImages
from sam3_ros.look.node.coloured_masks import coloured_masks, png_size
from sam3_ros.look.node.tap import Tap
from sam3_ros.look.viewing import (
    EncodedImage,
    PictureLayer,
    PictureStamp,
    Receiver,
    View,
    ViewedPicture,
)
from sam3_ros.msg import SegmentScores
from sam3_ros.ros.images.camera_image import camera_image
from sam3_ros.ros.images.conversion import OwnConverter

_LOG = logging.getLogger(__name__)
_TOPICS = {PictureLayer.OVERLAY: "overlay/compressed", PictureLayer.MASKS: "mask/compressed"}
# The scores are published before the pictures; one that waits longer has none.
_PATIENCE_S = 0.2
_JPEG_QUALITY = 90
# Of a camera that sets none, every image has it.
_NO_STAMP = PictureStamp(0, 0)
# The markers that begin a frame: all of C0 to CF but for those of tables.
_FRAMES = frozenset(range(0xFFC0, 0xFFD0)) - {0xFFC4, 0xFFC8, 0xFFCC}


class NodeViewer:
    """A receiver at its view; `close` may be called from any thread."""

    def __init__(
        self, view: View, receiver: Receiver, on_close: Callable[[NodeViewer], None]
    ) -> None:
        self.view = view
        self._receiver, self._on_close = receiver, on_close
        self._is_closed = False

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._on_close(self)

    def show(self, picture: ViewedPicture) -> None:
        """Hand the picture over, unless it is closed."""
        if self._is_closed:
            return
        try:
            self._receiver(picture)
        except Exception:  # the other viewers get it all the same
            _LOG.exception("a viewer does not take its picture")


class _Pending:
    """A picture whose answer has not come yet."""

    def __init__(self, message: CompressedImage) -> None:
        self.message, self.since = message, time.monotonic()


class CameraFeed:
    """What the viewers of one camera see; for the ROS thread."""

    def __init__(
        self,
        node: Node,
        prefix: str,
        camera: str,
        answers: AnswerMemory,
        images: CameraImages,
        on_answer: Callable[[ScoredImage], None],
    ) -> None:
        """prefix: of the camera's topics, such as /segmentation_node/front.

        on_answer: called with each answer, also of images that nobody is shown.
        """
        self._camera, self._answers, self._images = camera, answers, images
        self._on_answer = on_answer
        self._viewers: list[NodeViewer] = []
        self._needs_plain = False
        # Scores are needed by others too: a click waits for its answer.
        self._scores = Tap(node, SegmentScores, f"{prefix}/scores", self._on_scores)
        self._layers = {
            layer: Tap(node, CompressedImage, f"{prefix}/{topic}", self._receiver_of(layer))
            for layer, topic in _TOPICS.items()
        }
        self._pending: dict[PictureLayer, _Pending] = {}
        self._newest: dict[View, ViewedPicture] = {}
        self._plain: tuple[Any, EncodedImage | None] | None = None
        self._scores_at = float("-inf")
        # None while nobody watches.
        self._waits_since: float | None = None

    @property
    def waits_s(self) -> float:
        """Seconds for which viewers have waited for a picture; from any thread."""
        since = self._waits_since
        return 0.0 if since is None else time.monotonic() - since

    def add(self, viewer: NodeViewer) -> None:
        """Begin to show it pictures, the newest known one at once."""
        self._viewers.append(viewer)
        self._subscribe()
        known = self._newest.get(viewer.view)
        if known is not None:
            viewer.show(known)

    def remove(self, viewer: NodeViewer) -> None:
        """Show it no more; what nobody watches any more is unsubscribed."""
        if viewer in self._viewers:
            self._viewers.remove(viewer)
            self._subscribe()

    def refresh(self) -> None:
        """Follow what the node offers, and show what has waited too long for its answer."""
        for tap in (self._scores, *self._layers.values()):
            tap.follow_offer()
        for layer, pending in list(self._pending.items()):
            if time.monotonic() - pending.since > _PATIENCE_S:
                self._show(layer, self._pending.pop(layer).message, None)

    def close(self) -> None:
        self._viewers.clear()
        self._subscribe()

    def _subscribe(self) -> None:
        views = {viewer.view for viewer in self._viewers}
        self._scores.set_open(bool(views))
        for layer, tap in self._layers.items():
            is_watched = any(view.layer is layer for view in views)
            tap.set_open(is_watched)
            if not is_watched:
                self._pending.pop(layer, None)
        self._newest = {view: each for view, each in self._newest.items() if view in views}
        needs_plain = any(view.with_plain for view in views)
        if needs_plain != self._needs_plain:
            self._needs_plain = needs_plain
            self._images.need() if needs_plain else self._images.release()
        if not views:
            self._answers.forget()
            self._plain = self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = time.monotonic()

    def _on_scores(self, message: SegmentScores) -> None:
        self._scores_at = time.monotonic()
        answer = self._answers.note(message)
        for layer, pending in list(self._pending.items()):
            if stamp_of(pending.message.header) == answer.stamp:
                del self._pending[layer]
                self._show(layer, pending.message, answer)
        self._images.note_answer(answer.stamp)
        self._on_answer(answer)

    def _receiver_of(self, layer: PictureLayer) -> Callable[[CompressedImage], None]:
        return lambda message: self._on_picture(layer, message)

    def _on_picture(self, layer: PictureLayer, message: CompressedImage) -> None:
        if (waited := self._pending.pop(layer, None)) is not None:
            self._show(layer, waited.message, None)
        # A click answers an image once more: its pictures and its answers go in pairs.
        answers = self._answers.of(stamp_of(message.header))
        if answers and answers[0].stamp == _NO_STAMP:
            answers = answers[-1:]
        answer = next((each for each in answers if layer not in each.shown), None)
        if answer is None and time.monotonic() - self._scores_at < 1.0:
            self._pending[layer] = _Pending(message)
        else:
            self._show(layer, message, answer)

    def _show(
        self, layer: PictureLayer, message: CompressedImage, answer: ScoredImage | None
    ) -> None:
        self._waits_since = time.monotonic()
        if answer is not None:
            answer.shown.add(layer)
        views = {viewer.view for viewer in self._viewers if viewer.view.layer is layer}
        if not views:
            return
        try:
            image, size = _encoded(layer, message, answer)
        except ImageError as error:
            _LOG.warning("a picture of %s is not shown: %s", self._camera or "the camera", error)
            return
        for view in views:
            picture = ViewedPicture(
                camera=self._camera,
                stamp=stamp_of(message.header),
                width=size.width,
                height=size.height,
                image=image,
                segments=None if answer is None else answer.segments,
                plain=self._plain_of(message.header) if view.with_plain else None,
            )
            self._newest[view] = picture
            for viewer in [each for each in self._viewers if each.view == view]:
                viewer.show(picture)

    def _plain_of(self, header: Any) -> EncodedImage | None:
        """Return the image of this header as it came; None if it did not come here."""
        key = stamp_of(header), header.frame_id
        if self._plain is None or self._plain[0] != key:
            self._plain = key, plain_image(self._images, *key)
        return self._plain[1]


def plain_image(images: CameraImages, stamp: Any, frame_id: str) -> EncodedImage | None:
    """Return a camera's image as JPEG; one that is a JPEG already as it is, None if there is none.

    It has 8 bits of what the camera sends in more.
    """
    message = images.find(stamp, frame_id)
    if message is None:
        return None
    if isinstance(message, CompressedImage) and _is_colour_jpeg(message):
        return EncodedImage(bytes(message.data), "image/jpeg")
    try:
        rgb = camera_image(message, OwnConverter(), 0).rgb
    except ImageError:
        return None  # the node says of it what is wrong
    quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    is_written, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)
    return EncodedImage(np.asarray(encoded).tobytes(), "image/jpeg") if is_written else None


def _is_colour_jpeg(message: CompressedImage) -> bool:
    return bytes(message.data[:3]) == b"\xff\xd8\xff" and not message.format.startswith("bayer")


def _encoded(
    layer: PictureLayer, message: CompressedImage, answer: ScoredImage | None
) -> tuple[EncodedImage, ImageSize]:
    """Return a picture and its size. Raises ImageError."""
    data = bytes(message.data)
    if layer is PictureLayer.OVERLAY:
        return EncodedImage(data, "image/jpeg"), _jpeg_size(data)
    known = ({}, {}) if answer is None else (answer.values, answer.colours)
    coloured = coloured_masks(data, *known)
    return EncodedImage(coloured, "image/png"), png_size(coloured)


def _jpeg_size(data: bytes) -> ImageSize:
    """Read a JPEG's size from the head of its frame (ITU-T T.81, B.2.2), not its pixels."""
    position = 2
    while data.startswith(b"\xff\xd8") and position + 9 <= len(data):
        marker, length = struct.unpack_from(">HH", data, position)
        if marker in _FRAMES:
            return ImageSize(*struct.unpack_from(">HH", data, position + 5))
        position += 2 + length
    raise ImageError(f"expected a JPEG, got {len(data)} bytes of something else")
