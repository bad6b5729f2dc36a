"""What is counted of a camera, and what people are told for a while."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

from sam3_ros.ros.frames.ledger import DropReason, FrameLedger

#: What people read for the reasons why a picture was left out.
DROPS: Mapping[DropReason, str] = {
    DropReason.SUPERSEDED: "a newer picture came before its turn",
    DropReason.UNDECODABLE: "the picture could not be read",
    DropReason.NOBODY_LISTENS: "nobody watched any more",
    DropReason.INFERENCE_FAILED: "the model failed",
    DropReason.OUT_OF_MEMORY: "memory ran out",
}
_RATE_SECONDS = 3.0
_TOLD_SECONDS = 20.0
_MOST_TOLD = 5


class CameraFigures:
    """The pictures of one camera: how many, how fast, and what went wrong last."""

    def __init__(self) -> None:
        self.ledger = FrameLedger()
        # Replaced as a whole, so that readers need no lock.
        self._failure: tuple[str, float] | None = None
        self._times: deque[float] = deque(maxlen=300)

    def answered(self, latency: float) -> None:
        """Count an answer; latency: seconds from when the picture came to when it was shown."""
        self.ledger.count_answered(latency)
        self._times.append(time.monotonic())

    def failed(self, reason: DropReason, why: str) -> None:
        """Count a picture that was lost by an error."""
        self.ledger.count_dropped(reason, why)
        self._failure = f"{DROPS[reason]}: {why}", time.monotonic()

    @property
    def failure(self) -> tuple[str, float] | None:
        """What failed last, and how many seconds ago."""
        if self._failure is None:
            return None
        text, when = self._failure
        return text, time.monotonic() - when

    @property
    def answers(self) -> int:
        """How many pictures were answered, by the last 300."""
        return len(self._times)

    @property
    def frames_per_second(self) -> float | None:
        """Of the last seconds; None before the second answer."""
        now = time.monotonic()
        recent = [when for when in self._times.copy() if now - when <= _RATE_SECONDS]
        if len(recent) < 2:
            return None if len(self._times) < 2 else 0.0
        return (len(recent) - 1) / (recent[-1] - recent[0])


class PassingRemarks:
    """What happened by itself, told for a while; one thread adds."""

    def __init__(self) -> None:
        self._told: tuple[tuple[float, str], ...] = ()

    def add(self, text: str) -> None:
        """Tell something."""
        self._told = (*self._told[-_MOST_TOLD + 1 :], (time.monotonic(), text))

    @property
    def recent(self) -> tuple[str, ...]:
        """What is still to be told, the oldest first."""
        now = time.monotonic()
        return tuple(text for when, text in self._told if now - when < _TOLD_SECONDS)
