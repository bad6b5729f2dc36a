"""Whether the node is active, in a way that two threads can agree on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sam3_ros.ros.frame_ledger import DropReason, FrameDroppedError


class Activity:
    """Switched by the lifecycle; while the inference thread publishes it cannot be switched."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active = False

    @property
    def is_active(self) -> bool:
        return self._active

    def switch(self, active: bool) -> None:
        with self._lock:
            self._active = active

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Raises FrameDroppedError if the node became inactive since the frame came."""
        with self._lock:
            if not self._active:
                raise FrameDroppedError(DropReason.NOT_ACTIVE)
            yield
