"""The place between the subscription and the inference thread: it holds the newest frame only."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TypeAlias

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

CameraMessage: TypeAlias = Image | CompressedImage


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera's message as it came. received: time.monotonic() seconds."""

    message: CameraMessage
    received: float = field(default_factory=time.monotonic)

    @property
    def header(self) -> Header:
        return self.message.header


class NewestFrameSlot:
    """One frame at most; a newer one takes its place. Neither side waits for the other."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> Frame | None:
        """Leave a frame. The frame that will not be taken: the older one, or this if closed."""
        with self._changed:
            if self._closed:
                return frame
            superseded, self._frame = self._frame, frame
            self._changed.notify()
            return superseded

    def take(self) -> Frame | None:
        """Wait for a frame; None once the slot is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._closed)
            return self._emptied()

    def clear(self) -> Frame | None:
        """Take away the frame that waits."""
        with self._changed:
            return self._emptied()

    def close(self) -> Frame | None:
        """Let take() return None from now on. The frame that waited."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._emptied()

    def _emptied(self) -> Frame | None:
        frame, self._frame = self._frame, None
        return frame
