"""Whether the node is active, in a way that two threads can agree on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sam3_ros.ros.frames.ledger import DropReason, FrameDroppedError
from sam3_ros.ros.locks import NodeLock


class Activity:
    """Switched by the lifecycle, but not while the inference thread publishes an answer."""

    def __init__(self) -> None:
        self._lock = NodeLock.ACTIVITY.make()
        self._active_since: float | None = None

    @property
    def is_active(self) -> bool:
        return self._active_since is not None

    @property
    def active_since(self) -> float | None:
        """time.monotonic() seconds, None while it is not active."""
        return self._active_since

    def is_current(self, received: float) -> bool:
        """Return whether the node has been active since `received`, time.monotonic() seconds."""
        since = self._active_since
        return since is not None and received >= since

    def switch(self, active: bool) -> None:
        with self._lock:
            self._active_since = time.monotonic() if active else None

    @contextmanager
    def publishing(self, received: float) -> Iterator[None]:
        """Keep the node active inside the block, for an answer to what was received then.

        received: time.monotonic() seconds. Raises FrameDroppedError if the node was inactive since,
        even if it is active again.
        """
        with self._lock:
            if not self.is_current(received):
                raise FrameDroppedError(DropReason.NOT_ACTIVE)
            yield
