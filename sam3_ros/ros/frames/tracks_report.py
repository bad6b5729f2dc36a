"""What is reported of a camera's tracked objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sam3_ros.core.segmenter.segments import TrackState

_RECENT_SECONDS = 10.0


@dataclass(frozen=True)
class TracksReport:
    """The tracked objects of a camera."""

    #: How many there are, by state.
    states: Mapping[TrackState, int] = field(default_factory=dict)
    #: Bytes of what is remembered of them.
    nbytes: int = 0
    #: How many there have been since the node was configured.
    given: int = 0
    #: How often since then there was no room for what was found.
    refused: int = 0
    #: time.monotonic() seconds of the last time, and why.
    refused_at: float = float("-inf")
    refused_why: str = ""
    #: Whether there is no room now.
    is_full: bool = False

    def refusal(self, now: float) -> str:
        """Return why objects are not tracked, or were not lately; empty if there is room."""
        lately = now - self.refused_at < _RECENT_SECONDS
        return self.refused_why if self.is_full or lately else ""
