"""The last frames of each camera and what was computed of them, so that a click need not wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.ros.depth.pairs import DepthPair
from sam3_ros.ros.frames.kept_answers import KeptAnswers
from sam3_ros.ros.frames.work import CameraMessage, Frame
from sam3_ros.ros.images.messages import Pixels
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.stamps import NANOSECONDS


@dataclass(eq=False)
class SeenFrame:
    """A frame that the inference thread has taken; only that thread changes it."""

    camera: str
    header: Header
    stamp_ns: int
    #: None once it is decoded.
    message: CameraMessage | None
    #: Once a prompt or an output has needed it.
    image_rgb: Pixels | None = None
    #: Once a prompt has needed it.
    embedding: ImageEmbedding | None = None
    #: What was last published of it: prompts, each with its segments.
    answers: KeptAnswers = field(default_factory=KeptAnswers)
    #: Once an answer in space has needed it.
    depth: DepthPair | None = None

    @classmethod
    def of(cls, frame: Frame) -> SeenFrame:
        return cls(frame.camera, frame.header, frame.stamp_ns, frame.message)

    @property
    def size(self) -> ImageSize | None:
        """The size of the image; None before it is decoded."""
        return ImageSize(*self.image_rgb.shape[:2]) if self.image_rgb is not None else None

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels, features and masks; for any thread."""
        message, image_rgb, embedding = self.message, self.image_rgb, self.embedding
        size = len(message.data) if message is not None else 0
        size += image_rgb.nbytes if image_rgb is not None else 0
        size += embedding.nbytes if embedding is not None else 0
        size += len(depth.depth.data) if (depth := self.depth) is not None else 0
        return size + self.answers.nbytes


@dataclass(frozen=True)
class MemoryLimits:
    """How much is kept; the newest frame of each camera always is."""

    #: Frames of each camera.
    frames: int
    #: Bytes of all frames together.
    nbytes: int
    #: How far a stamp may lie behind the latest one, ns, and still be of the same clock.
    disorder_ns: int = NANOSECONDS


class FrameMemory:
    """The frames that are kept; for any thread."""

    def __init__(self, limits: Callable[[], MemoryLimits]) -> None:
        self._limits = limits
        self._lock = NodeLock.FRAME_MEMORY.make()
        # In the order in which they were taken, with the bytes that each held when last measured.
        self._frames: dict[SeenFrame, int] = {}

    def add(self, seen: SeenFrame) -> bool:
        """Keep it as its camera's newest. False if the camera's clock jumped back.

        The frames of that camera are forgotten then: their stamps will come again. A stamp that is
        a little late, equal to another or not set is no jump.
        """
        behind_ns = self.latest_ns(seen.camera) - seen.stamp_ns
        went_on = seen.stamp_ns == 0 or behind_ns <= self._limits().disorder_ns
        if not went_on:
            self.clear(seen.camera)
        with self._lock:
            self._frames[seen] = 0
        self.trim(seen)
        return went_on

    def find(self, camera: str, stamp_ns: int) -> SeenFrame | None:
        """Return the frame with the stamp; the last to come, if there are several."""
        return next((s for s in self._newest_first(camera) if s.stamp_ns == stamp_ns), None)

    def newest(self, camera: str) -> SeenFrame | None:
        """Return the frame that came last, whatever its stamp."""
        return next(self._newest_first(camera), None)

    def latest_ns(self, camera: str) -> int:
        """Return the latest stamp of the camera's frames; 0 while there are none."""
        return max(self.stamps(camera), default=0)

    def stamps(self, camera: str) -> list[int]:
        """Return the stamps of the camera's frames, ns, in the order in which they came."""
        return [seen.stamp_ns for seen in self._newest_first(camera)][::-1]

    def forget(self, seen: SeenFrame) -> None:
        with self._lock:
            self._frames.pop(seen, None)

    def clear(self, camera: str | None = None) -> None:
        """Forget one camera's frames, or all."""
        with self._lock:
            others = camera is not None
            kept = {s: size for s, size in self._frames.items() if others and s.camera != camera}
            self._frames = kept

    def trim(self, changed: SeenFrame | None = None) -> None:
        """Apply the limits, which may have changed; the oldest frames go first.

        changed: the only frame whose size has changed; None to measure all, which takes as long as
        making a frame's messages.
        """
        limits = self._limits()
        with self._lock:
            sizes = dict(self._frames)
            for seen in self._frames if changed is None else {changed} & sizes.keys():
                sizes[seen] = seen.nbytes
            nbytes = sum(sizes.values())
            newer = Counter(seen.camera for seen in self._frames)
            for seen in tuple(sizes):
                newer[seen.camera] -= 1
                is_over = newer[seen.camera] >= limits.frames or nbytes > limits.nbytes
                if newer[seen.camera] and is_over:
                    nbytes -= sizes.pop(seen)
            self._frames = sizes

    def size(self) -> tuple[int, int]:
        """Return the number of frames and their bytes."""
        with self._lock:
            return len(self._frames), sum(self._frames.values())

    def _newest_first(self, camera: str) -> Iterator[SeenFrame]:
        with self._lock:
            frames = list(self._frames)
        return (seen for seen in reversed(frames) if seen.camera == camera)
