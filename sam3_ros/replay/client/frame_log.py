"""Log of a camera's images that were sent, and of what came back for each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam3_ros.msg import SegmentScores
from sam3_ros.replay.bag.stamps import NANOSECONDS, MessageHeader
from sam3_ros.replay.client.answered_frame import AnsweredFrame, labels_of, segments_of


@dataclass(frozen=True, eq=False)
class _ReceivedMask:
    message: Image
    #: Seconds.
    latency: float


@dataclass(eq=False)
class SentFrame:
    """An image that was sent, with the masks and scores that are not paired yet.

    Each topic keeps its order, so the first mask belongs to the first scores.
    """

    stamp_ns: int
    bag_stamp_ns: int
    frame_id: str
    loop: int
    #: Seconds, monotonic; NaN if not known.
    at: float
    #: Seconds to the first mask; None without one.
    answered_after: float | None = None
    complete_answers: int = 0
    masks: deque[_ReceivedMask] = field(default_factory=deque)
    scores: deque[SegmentScores] = field(default_factory=deque)


class FrameLog:
    """The images of one camera by stamp; a stamp that is sent again means the later image.

    Times are seconds of one monotonic clock.
    """

    def __init__(self, camera: str = "") -> None:
        self.camera = camera
        self._frames: list[SentFrame] = []
        self._by_stamp: dict[int, SentFrame] = {}
        self._repeats_expected = 0
        self._unknown_masks = 0
        self.loop = 0  # of images that another process publishes
        self._repeats = 0
        self.wrong_frame_ids = 0

    def sent(self, header: MessageHeader, bag_stamp_ns: int, now: float, loop: int = 0) -> None:
        """Record an image that is about to be published. now: NaN if the time is unknown."""
        frame = SentFrame(header.stamp_ns, bag_stamp_ns, header.frame_id, loop, now)
        self._frames.append(frame)
        self._by_stamp[header.stamp_ns] = frame

    def expect_repeats(self, count: int) -> None:
        """Expect more answers to answered images: one for each click."""
        self._repeats_expected += count

    def mask(self, message: Image, now: float) -> AnsweredFrame | None:
        """Record a mask; return the answer if it is complete."""
        frame = self._by_stamp.get(stamp_of(message.header))
        if frame is None:
            self._unknown_masks += 1
            return None
        latency = now - frame.at
        if frame.answered_after is None:
            frame.answered_after = latency
        else:
            self._repeats += 1
        self.wrong_frame_ids += message.header.frame_id != frame.frame_id
        frame.masks.append(_ReceivedMask(message, latency))
        return self._complete(frame)

    def scores(self, message: SegmentScores) -> AnsweredFrame | None:
        """Record scores; return the answer if it is complete."""
        frame = self._by_stamp.get(stamp_of(message.header))
        if frame is None:
            return None
        frame.scores.append(message)
        return self._complete(frame)

    def sent_frame(self, header: Header) -> SentFrame | None:
        """Return the image that a message answers; None if none has its stamp."""
        return self._by_stamp.get(stamp_of(header))

    def is_known(self, stamp_ns: int) -> bool:
        """Return whether an image of this stamp was sent in this loop."""
        frame = self._by_stamp.get(stamp_ns)
        return frame is not None and frame.loop == self.loop

    def unheard(self, header: Header) -> None:
        """Record an image of another process that was answered but not heard here."""
        stamp_ns = stamp_of(header)
        self.sent(MessageHeader(stamp_ns, header.frame_id), stamp_ns, math.nan, self.loop)

    @property
    def newest(self) -> SentFrame | None:
        """The last image that was sent."""
        return self._frames[-1] if self._frames else None

    @property
    def newest_answered(self) -> SentFrame | None:
        """The newest image that was answered."""
        answered = (f for f in reversed(self._frames) if f.answered_after is not None)
        return next(answered, None)

    @property
    def is_quiet(self) -> bool:
        """Whether the newest image is completely answered; earlier ones are, or were dropped."""
        if not self._frames:
            return True
        newest = self._frames[-1]
        return newest.answered_after is not None and not newest.masks

    @property
    def sent_count(self) -> int:
        return len(self._frames)

    @property
    def mask_count(self) -> int:
        """Number of images that were answered."""
        return sum(1 for _ in self._delays())

    @property
    def click_answers(self) -> int:
        """Number of masks that came for an answered image again, because of a click on it."""
        return min(self._repeats, self._repeats_expected)

    @property
    def stray_masks(self) -> int:
        """Number of masks that answer no image, or again one that was not clicked on."""
        return self._unknown_masks + self._repeats - self.click_answers

    @property
    def latencies(self) -> list[float]:
        """Seconds from each answered image to its first mask, where they are known."""
        return [delay for delay in self._delays() if not math.isnan(delay)]

    @property
    def missing_scores(self) -> int:
        return sum(len(frame.masks) for frame in self._frames)

    def _delays(self) -> Iterator[float]:
        return (f.answered_after for f in self._frames if f.answered_after is not None)

    def _complete(self, frame: SentFrame) -> AnsweredFrame | None:
        if not (frame.masks and frame.scores):
            return None
        mask, scores = frame.masks.popleft(), frame.scores.popleft()
        frame.complete_answers += 1
        segments = segments_of(mask.message, scores)
        return AnsweredFrame(
            bag_stamp_ns=frame.bag_stamp_ns,
            sent_at=frame.at,
            labels=labels_of(mask.message),
            segments=tuple(segment for segment in segments if segment.is_seen),
            unseen=tuple(segment for segment in segments if not segment.is_seen),
            camera=self.camera,
            loop=frame.loop,
            latency=mask.latency,
            has_its_header=mask.message.header.frame_id == frame.frame_id,
            repeat=frame.complete_answers > 1,
            frame_id=mask.message.header.frame_id,
        )


def stamp_of(header: Header) -> int:
    """Return the stamp in nanoseconds."""
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)
