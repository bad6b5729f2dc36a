"""What a configured node reports for diagnostics, and the times of its steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sam3_ros.ros.depth.ledger import DepthReport
from sam3_ros.ros.frames.ledger import LATENCIES_KEPT, FrameReport
from sam3_ros.ros.frames.losses import LostImages
from sam3_ros.ros.frames.tracks_report import TracksReport
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.prompts.keeping import Keeping
from sam3_ros.ros.prompts.losses import LostPrompts


@dataclass(frozen=True)
class StepLatency:
    """The time of one step, over those of the last 300 answers in which it ran."""

    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class CameraReport:
    """The state of one camera."""

    frames: FrameReport
    #: Age of the frame that waits for its turn, seconds; None if none waits.
    waiting_s: float | None
    #: Seconds since the last image came; None before the first.
    silent_s: float | None
    #: Images that never arrived.
    lost: LostImages = field(default_factory=LostImages)
    #: How many publishers of its images are known.
    publishers: int = 0
    #: What to do where images do not arrive; empty if that is not known.
    remedy: str = ""
    #: What is suspicious about its last image; empty if nothing is.
    image_finding: str = ""
    tracks: TracksReport = field(default_factory=TracksReport)
    #: Why objects were lately found and not tracked; empty if none was.
    tracks_refused: str = ""
    #: None where the parameter depth is false.
    depth: DepthReport | None = None


@dataclass(frozen=True)
class PipelineReport:
    """The state of a configured node."""

    #: By stage, the engine that really runs it.
    providers: Mapping[str, str]
    #: Name of what reads images.
    converter: str
    #: Ids of the prompts that are asked.
    prompts: tuple[str, ...]
    #: By name.
    cameras: Mapping[str, CameraReport]
    #: Clicks that wait for their answer on a frame seen before.
    clicks_waiting: int
    #: Age of the oldest of them, seconds; None if none waits.
    oldest_click_s: float | None
    #: How many were answered on a frame seen before.
    clicks_at_once: int
    #: Calls of ~/segment that wait for their answer, and how many were answered.
    calls_waiting: int
    calls_answered: int
    #: The frames kept, so that a click need not encode them again.
    kept_frames: int
    kept_frame_bytes: int
    #: The texts kept, so that they need not be encoded again.
    kept_texts: int
    kept_text_bytes: int
    #: By step of an answer.
    steps: Mapping[str, StepLatency]
    #: Why the last frame or click that failed did, and how long ago; empty if none did.
    last_error: str
    #: Messages with prompts that never arrived.
    lost_prompts: LostPrompts = field(default_factory=LostPrompts)
    #: Whether prompts are kept over a restart.
    keeping: Keeping = field(default_factory=Keeping)


class StepLatencies:
    """The times of the steps of the last answers; written by the inference thread, read by any."""

    def __init__(self) -> None:
        self._lock = NodeLock.STEP_LATENCIES.make()
        self._answers: deque[Mapping[str, float]] = deque(maxlen=LATENCIES_KEPT)

    def add(self, seconds_by_step: Mapping[str, float]) -> None:
        with self._lock:
            self._answers.append(seconds_by_step)

    def report(self) -> dict[str, StepLatency]:
        """Return each step's latency; a step counts in those answers in which it ran."""
        with self._lock:
            answers = list(self._answers)
        steps = dict.fromkeys(step for answer in answers for step in answer)
        return {step: _latency([a[step] for a in answers if step in a]) for step in steps}


def _latency(seconds: list[float]) -> StepLatency:
    median, p95 = np.percentile(seconds, (50, 95)) * 1000
    return StepLatency(float(median), float(p95))
