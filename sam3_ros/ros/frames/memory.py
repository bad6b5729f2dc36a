"""The last frames of each camera with what was computed of them, so that a click need not wait."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from std_msgs.msg import Header

from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.ros.frames.work import CameraMessage, Frame
from sam3_ros.ros.images.pixel_rows import Pixels
from sam3_ros.ros.prompts.active import ActivePrompt

Answers: TypeAlias = dict[ActivePrompt, tuple[Segment, ...]]


@dataclass(eq=False)
class SeenFrame:
    """A frame that the inference thread has taken; that thread alone changes it.

    message: until it is decoded. image_rgb, embedding: once a prompt or an output needed them.
    answers: the last that was told of it: prompts, each with its segments.
    """

    camera: str
    header: Header
    stamp_ns: int
    message: CameraMessage | None
    image_rgb: Pixels | None = None
    embedding: ImageEmbedding | None = None
    answers: Answers = field(default_factory=dict)

    @classmethod
    def of(cls, frame: Frame) -> SeenFrame:
        return cls(frame.camera, frame.header, frame.stamp_ns, frame.message)

    @property
    def size(self) -> ImageSize | None:
        """None before it is decoded."""
        return ImageSize(*self.image_rgb.shape[:2]) if self.image_rgb is not None else None

    @property
    def nbytes(self) -> int:
        """What it holds: pixels, features and masks; may be asked by any thread."""
        message, image_rgb, embedding = self.message, self.image_rgb, self.embedding
        size = len(message.data) if message is not None else 0
        size += image_rgb.nbytes if image_rgb is not None else 0
        size += embedding.nbytes if embedding is not None else 0
        segments = (segment for found in self.answers.values() for segment in found)
        return size + sum(segment.mask.nbytes for segment in segments)


@dataclass(frozen=True)
class MemoryLimits:
    """frames: of each camera. nbytes: of all together; the newest of each camera always stays."""

    frames: int
    nbytes: int


class FrameMemory:
    """Written by the inference thread, the lifecycle and new limits; read by topics' callbacks."""

    def __init__(self, limits: Callable[[], MemoryLimits]) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        # In the order in which they were taken, with the bytes that each held when last weighed.
        self._frames: dict[SeenFrame, int] = {}

    def add(self, seen: SeenFrame) -> bool:
        """Remember it as its camera's newest. False if the camera's clock jumped back.

        What was seen of that camera is forgotten then: its stamps will come again.
        """
        newest = self.newest(seen.camera)
        went_on = newest is None or seen.stamp_ns >= newest.stamp_ns
        if not went_on:
            self.clear(seen.camera)
        with self._lock:
            self._frames[seen] = 0
        self.trim(seen)
        return went_on

    def find(self, camera: str, stamp_ns: int) -> SeenFrame | None:
        return next((s for s in self._newest_first(camera) if s.stamp_ns == stamp_ns), None)

    def newest(self, camera: str) -> SeenFrame | None:
        return next(self._newest_first(camera), None)

    def stamps(self, camera: str) -> list[int]:
        """Oldest first."""
        return [seen.stamp_ns for seen in self._newest_first(camera)][::-1]

    def forget(self, seen: SeenFrame) -> None:
        with self._lock:
            self._frames.pop(seen, None)

    def clear(self, camera: str | None = None) -> None:
        """Forget a camera's frames, or all."""
        with self._lock:
            others = camera is not None
            kept = {s: size for s, size in self._frames.items() if others and s.camera != camera}
            self._frames = kept

    def trim(self, changed: SeenFrame | None = None) -> None:
        """Keep the limits, which may have changed, as may what the frames hold; oldest go first.

        changed: the only one that holds more or less than before; to weigh all takes as long as a
        frame's own messages.
        """
        limits = self._limits()
        with self._lock:
            sizes = dict(self._frames)
            for seen in self._frames if changed is None else {changed} & sizes.keys():
                sizes[seen] = seen.nbytes
            nbytes = sum(sizes.values())
            later = Counter(seen.camera for seen in self._frames)
            for seen in tuple(sizes):
                later[seen.camera] -= 1
                crowded = later[seen.camera] >= limits.frames or nbytes > limits.nbytes
                if later[seen.camera] and crowded:
                    nbytes -= sizes.pop(seen)
            self._frames = sizes

    def size(self) -> tuple[int, int]:
        """Frames and bytes."""
        with self._lock:
            return len(self._frames), sum(self._frames.values())

    def _newest_first(self, camera: str) -> Iterator[SeenFrame]:
        with self._lock:
            frames = list(self._frames)
        return (seen for seen in reversed(frames) if seen.camera == camera)
