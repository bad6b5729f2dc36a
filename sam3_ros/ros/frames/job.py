"""The work on one answer, and how long its steps take."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sam3_ros.core.timings import Timings
from sam3_ros.ros.frames.memory import SeenFrame
from sam3_ros.ros.frames.tracks import Moment


@dataclass(frozen=True, eq=False)
class Job:
    """The work on one answer."""

    seen: SeenFrame
    #: When the frame or click came, time.monotonic() s.
    received: float
    #: When the work on it began, time.monotonic() s.
    began: float = field(default_factory=time.monotonic)
    #: convert, the segmenter's own steps, messages, publish.
    steps: Timings = field(default_factory=Timings)
    #: Of these, what each tracked object took, by its id.
    objects: dict[int, float] = field(default_factory=dict)
    #: Whether it is the camera's next image, not one that was seen before.
    is_next: bool = False

    @property
    def moment(self) -> Moment:
        return Moment(self.seen.stamp_ns, self.received)

    @property
    def stages(self) -> dict[str, float]:
        """Return the seconds of each step, and of each tracked object as track/3."""
        objects = {f"track/{track_id}": each for track_id, each in self.objects.items()}
        return {**self.steps.as_dict(), **objects}
