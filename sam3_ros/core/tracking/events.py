"""What happens to tracked objects, for those who keep a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sam3_ros.core.segmenter.segments import TrackState

EventKind = Literal["born", "confirmed", "occluded", "lost", "found", "ended", "refused"]


@dataclass(frozen=True)
class TrackEvent:
    """A change of one object."""

    kind: EventKind
    #: 0 where it was refused: no object has this id.
    track_id: int
    prompt_id: str
    label: str
    #: For people, with the numbers that decided.
    reason: str
    #: For how many images it had not been seen; of "found" for how many until then.
    frames_unseen: int = 0
    #: After the change; None where it was refused.
    state: TrackState | None = None
    #: Answered images since it was born.
    age: int = 0
