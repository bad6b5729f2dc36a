"""Every image that was sent, and what came back for it."""

from __future__ import annotations

from dataclasses import dataclass

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.msg import SegmentScores
from sam3_ros.ros.replay.answered_frame import AnsweredFrame, answered_frame
from sam3_ros.ros.replay.message_header import NANOSECONDS, MessageHeader


@dataclass
class _SentFrame:
    bag_stamp_ns: int
    frame_id: str
    at: float
    answered_after: float | None = None
    mask: Image | None = None  # kept until its scores have come
    scores: SegmentScores | None = None


class FrameLog:
    """Keyed by stamp. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._frames: dict[int, _SentFrame] = {}
        self.stray_masks = 0
        self.wrong_frame_ids = 0

    def sent(self, header: MessageHeader, bag_stamp_ns: int, now: float) -> None:
        """An image is about to go out."""
        self._frames[header.stamp_ns] = _SentFrame(bag_stamp_ns, header.frame_id, now)

    def mask(self, message: Image, now: float) -> AnsweredFrame | None:
        """A mask has come; the answer, if it is whole with it."""
        frame = self._frames.get(stamp_of(message.header))
        if frame is None or frame.answered_after is not None:
            self.stray_masks += 1
            return None
        self.wrong_frame_ids += message.header.frame_id != frame.frame_id
        frame.answered_after = now - frame.at
        frame.mask = message
        return _whole(frame)

    def scores(self, message: SegmentScores) -> AnsweredFrame | None:
        """Scores have come; the answer, if it is whole with them."""
        frame = self._frames.get(stamp_of(message.header))
        if frame is None or frame.scores is not None:
            return None
        frame.scores = message
        return _whole(frame)

    def sent_stamp(self, header: Header) -> int | None:
        """The stamp, ns, of the image that a message answers; None if none was sent with it."""
        stamp_ns = stamp_of(header)
        return stamp_ns if stamp_ns in self._frames else None

    @property
    def sent_count(self) -> int:
        return len(self._frames)

    @property
    def mask_count(self) -> int:
        return len(self.latencies)

    @property
    def latencies(self) -> list[float]:
        """Seconds from image to mask, of the answered."""
        delays = (frame.answered_after for frame in self._frames.values())
        return [delay for delay in delays if delay is not None]

    @property
    def missing_scores(self) -> int:
        return sum(frame.mask is not None for frame in self._frames.values())


def stamp_of(header: Header) -> int:
    """Nanoseconds."""
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)


def _whole(frame: _SentFrame) -> AnsweredFrame | None:
    if frame.mask is None or frame.scores is None:
        return None
    mask, frame.mask = frame.mask, None
    return answered_frame(frame.bag_stamp_ns, frame.at, mask, frame.scores)
