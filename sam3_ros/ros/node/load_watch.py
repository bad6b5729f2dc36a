"""What a node that loads a model tells meanwhile."""

from __future__ import annotations

import threading
import time

from sam3_ros.core.segmenter.loading import LoadProgress


class LoadWatch:
    """Told by the thread that loads, asked by any other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._what = ""
        self._since = 0.0

    def begin(self, what: str) -> None:
        """Something else is loaded from now on."""
        with self._lock:
            self._what, self._since = what, time.monotonic()

    def step(self, progress: LoadProgress) -> None:
        self.begin(str(progress))

    def end(self) -> None:
        with self._lock:
            self._what = ""

    def told(self) -> str:
        """Such as "stage 3 of 15, image_encoder, 120 MB, 4 s"; empty while nothing is loaded."""
        with self._lock:
            return f"{self._what}, {time.monotonic() - self._since:.0f} s" if self._what else ""
