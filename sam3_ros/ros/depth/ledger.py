"""The account of answers in space: each one wanted is published, or refused for a reason."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sam3_ros.core.shortened_text import shortened
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.throttled_log import THROTTLED

#: Of what happened in this time findings are made, s.
RECENT_S = 10.0
# Of the recent ones; more than a camera answers in that time.
_MOST_RECENT = 1000
_LONGEST = 500


class DepthRefusal(str, Enum):
    """Why an answered image has nothing in space."""

    NO_DEPTH = "no depth"  # no depth image came at all
    TOO_FAR = "too far apart"  # none has a stamp within depth_tolerance of the image's
    TOO_LATE = "too late"  # it did not come within depth_wait_s
    NO_CAMERA_INFO = "no camera_info"
    NO_STAMP = "no stamp"  # the image has none, so nothing can be found for it
    UNREADABLE = "unreadable"  # encoding, data or calibration
    FRAMES = "other frame"  # image, depth and camera_info are not of one frame_id
    SIZES = "other size"  # image, depth and camera_info do not fit each other
    NO_TRANSFORM = "no transform"  # to target_frame at the image's stamp
    FAILED = "failed"  # an error of the program; the log has it

    def __str__(self) -> str:
        return self.value


class DepthRefusedError(Exception):
    """Ends the work in space on an image; the text says what came and what to do."""

    def __init__(self, refusal: DepthRefusal, words: str) -> None:
        super().__init__(words)
        self.refusal = refusal


@dataclass(frozen=True)
class DepthReport:
    """The state of one camera's depth."""

    #: Whether somebody listens to a topic in space, and depth is subscribed to therefore.
    is_subscribed: bool = False
    #: Depth images that came.
    received: int = 0
    #: Answers published in space.
    published: int = 0
    refused: Mapping[DepthRefusal, int] = field(default_factory=dict)
    #: Why the last one was refused; empty if none was.
    last: str = ""
    #: What to warn of: lately all were refused. Empty: nothing.
    finding: str = ""


class DepthLedger:
    """Counts what became of the answers of one camera; for any thread."""

    def __init__(
        self, camera: str, logger: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """camera: its name, empty for the only one. clock: returns seconds."""
        self._of = f"camera {camera}: " if camera else ""
        self._logger = logger
        self._clock = clock
        self._lock = NodeLock.DEPTH_LEDGER.make()
        self._is_subscribed = False
        self._received = self._published = 0
        self._refused: Counter[DepthRefusal] = Counter()
        self._last = ""
        self._warned: set[str] = set()
        # When, and whether it was published.
        self._recent: deque[tuple[float, bool]] = deque(maxlen=_MOST_RECENT)

    def note_subscribed(self, is_subscribed: bool) -> None:
        with self._lock:
            self._is_subscribed = is_subscribed
            self._recent.clear()

    def count_received(self) -> None:
        with self._lock:
            self._received += 1

    def count_published(self) -> None:
        with self._lock:
            self._published += 1
            self._recent.append((self._clock(), True))

    def refuse(self, error: DepthRefusedError) -> bool:
        """Count an answer without anything in space; return whether all were refused lately.

        Then log why, throttled. Where others went well depth may be slower than the images.
        """
        # Names of frames and formats come from anywhere.
        words = shortened(f"{error.refusal}: {error}", _LONGEST)
        with self._lock:
            self._refused[error.refusal] += 1
            self._last = words
            self._recent.append((self._clock(), False))
            went_well = any(self._lately())
        if not went_well:
            self._logger.warning(f"{self._of}nothing in space of an image: {words}", **THROTTLED)
        return not went_well

    def warn_once(self, words: str) -> None:
        """Log what is to be known of this camera's depth, once."""
        if words not in self._warned:
            self._warned.add(words)
            self._logger.warning(f"{self._of}{words}")

    def report(self) -> DepthReport:
        """Return the present state."""
        with self._lock:
            recent = self._lately()
            finding = ""
            if self._is_subscribed and recent and not any(recent):
                finding = f"nothing in space of the last {len(recent)} answers: {self._last}"
            refused = {refusal: self._refused[refusal] for refusal in DepthRefusal}
            return DepthReport(
                self._is_subscribed, self._received, self._published, refused, self._last, finding
            )

    def _lately(self) -> list[bool]:
        """Return of each recent answer whether it was published in space."""
        since = self._clock() - RECENT_S
        return [published for when, published in self._recent if when >= since]
