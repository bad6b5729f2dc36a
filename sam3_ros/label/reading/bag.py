"""The images of a bag's topics, raw and compressed, with the stamps that they have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from sam3_ros.core.errors import ImageError
from sam3_ros.label.chunk import FramePlace
from sam3_ros.label.read_settings import ReadSettings
from sam3_ros.label.reading.reader import ReadFrame
from sam3_ros.replay.bag.bag import (
    COMPRESSED_IMAGE,
    Bag,
    BagError,
    BagMessage,
    TimeWindow,
    open_bag,
)
from sam3_ros.replay.bag.recording import RecordedMessage, grouped
from sam3_ros.replay.bag.stamps import read_header
from sam3_ros.ros.images.compressed import decompressed, require_picture
from sam3_ros.ros.images.conversion import OwnConverter
from sam3_ros.ros.images.messages import Pixels, layout_of, require_bounded
from sam3_ros.ros.images.planar import is_planar

LOST = "the bag's index promises it, and it is not there or not whole"
_FORM = 60
_NOT_CDR = "it is not serialised as ROS 2 does it (CDR), or was compressed and is damaged"


class BagReader:
    """An open bag."""

    def __init__(self, path: str, settings: ReadSettings) -> None:
        """Open it. Raises BagError."""
        self._settings = settings
        self._stack = ExitStack()
        self.bag: Bag = self._stack.enter_context(open_bag(Path(path)))
        # The same colours on every machine, whether it has cv_bridge or not.
        self._converter = OwnConverter()

    def frames(
        self, topic: str, places: Sequence[FramePlace], step: int | None = None
    ) -> Iterator[ReadFrame]:
        """Yield images as SourceReader says."""
        del step  # how many there are is known
        window = TimeWindow(places[0].time_ns, places[-1].time_ns)
        waiting = list(reversed(places))
        time_ns, rank = window.first, -1
        for message in self._recorded(topic, window):
            rank = rank + 1 if message.time_ns == time_ns else 0
            time_ns = message.time_ns
            while waiting and (waiting[-1].time_ns, waiting[-1].rank) < (time_ns, rank):
                yield _lost(waiting.pop())
            if waiting and (waiting[-1].time_ns, waiting[-1].rank) == (time_ns, rank):
                yield self._read(topic, message, waiting.pop())
            if not waiting:
                return
        yield from (_lost(place) for place in reversed(waiting))

    def remarks(self) -> tuple[str, ...]:
        """Return what of the bag is lost, a sentence each; topics without images are no loss."""
        return tuple(str(each) for each in grouped(self.bag.repairs))

    def refusal(self, topic: str) -> str:
        """Return why no image of a topic can be a camera's picture, by its first; or nothing."""
        first = next(self.bag.recorded(topic), None)
        if first is None or not first.data:
            return ""
        try:
            message = self._decoded(topic, first)
        except BagError:
            return ""
        is_raw = self.bag.topics[topic].type_name != COMPRESSED_IMAGE
        form = str(message.encoding if is_raw else message.format)[:_FORM]
        try:
            if not is_raw:
                require_picture(message.format)
            elif not is_planar(message.encoding):
                layout_of(message.encoding)
        except ImageError:
            return f"its images are {form!r}, which no camera picture is (rgb8, mono8, jpeg, ...)"
        return ""

    def pixels(self, message: BagMessage) -> Pixels:
        """Return the picture of a message of a bag's topic of images, uint8 [H, W, 3] in RGB.

        Raises BagError, and ImageError for what is no camera picture or too large.
        """
        decoded = self.bag.decode(message)
        most = self._settings.max_megapixels
        if message.type_name == COMPRESSED_IMAGE:
            decoded = decompressed(decoded, most)
        else:
            require_bounded(decoded, most)
        return np.ascontiguousarray(self._converter.to_rgb(decoded, self._settings.bit_depth))

    def close(self) -> None:
        self._stack.close()

    def _recorded(self, topic: str, window: TimeWindow) -> Iterator[RecordedMessage]:
        try:
            yield from self.bag.recorded(topic, window)
        except OSError as error:
            reason = error.strerror or error
            raise BagError(f"cannot read {error.filename or self.bag.path}: {reason}") from error

    def _read(self, topic: str, message: RecordedMessage, place: FramePlace) -> ReadFrame:
        if not message.data:
            return ReadFrame(place, None, place.time_ns, failure=_NOT_CDR)
        try:
            header = read_header(message.data)
        except ValueError as error:
            return ReadFrame(place, None, place.time_ns, failure=str(error))
        stamp_ns = header.stamp_ns or place.time_ns
        try:
            rgb = self.pixels(self._as_bag_message(topic, message))
        except (ImageError, BagError) as error:
            return ReadFrame(place, None, stamp_ns, header.frame_id, " ".join(str(error).split()))
        return ReadFrame(place, rgb, stamp_ns, header.frame_id)

    def _decoded(self, topic: str, message: RecordedMessage) -> Any:
        return self.bag.decode(self._as_bag_message(topic, message))

    def _as_bag_message(self, topic: str, message: RecordedMessage) -> BagMessage:
        at = (message.time_ns - self.bag.start_ns) / 1e9
        return BagMessage(topic, self.bag.topics[topic].type_name, at, message.data)


def _lost(place: FramePlace) -> ReadFrame:
    return ReadFrame(place, None, place.time_ns, failure=LOST)
