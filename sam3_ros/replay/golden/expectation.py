"""What a replay is held against: golden frames, how far from them is still right, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sam3_ros.replay.ask.cues import PromptCue


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be from the golden one.

    least_iou: of the masks of a prompt in a frame; what differs between processors are single
    pixels of an edge. score_difference: of a segment, 0..1. missing_segments, extra_segments:
    of a prompt over the replay of a camera. label_values: whether they must be the same.
    """

    least_iou: float = 0.95
    score_difference: float = 0.05
    missing_segments: int = 0
    extra_segments: int = 0
    label_values: bool = True


@dataclass(frozen=True)
class Limits:
    """None sets no limit.

    dropped: by reason, as /diagnostics names it. lost: images and masks on their way. missing,
    extra_frames: answers that only golden, or only this replay has. Latencies: ms, camera to mask;
    for a machine of its own, since timing says nothing on one that is shared.
    """

    dropped: Mapping[str, int] = field(default_factory=dict)
    lost: int | None = None
    missing_frames: int = 0
    extra_frames: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None


@dataclass(frozen=True)
class Judging:
    """every: of each camera's images, only the first, the 1 + every-th and so on are judged.

    prompts: tolerances that differ, by prompt id.
    """

    every: int = 1
    tolerance: Tolerance = Tolerance()
    prompts: Mapping[str, Tolerance] = field(default_factory=dict)
    limits: Limits = Limits()

    def tolerance_of(self, prompt_id: str) -> Tolerance:
        return self.prompts.get(prompt_id, self.tolerance)


@dataclass(frozen=True)
class Playing:
    """How the bag is played and by which node.

    As in ReplaySettings. cameras: name to topic of the bag, empty for the bag's only one.
    parameters: of the node, as `-p` takes them.
    """

    cameras: Mapping[str, str] = field(default_factory=dict)
    rate: float | None = None
    loops: int = 1
    clock: bool = False
    repeat_stamps: bool = False
    only_every: int = 1
    cues: tuple[PromptCue, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    params_file: Path | None = None


@dataclass(frozen=True)
class Expectation:
    """One test: what is played, and what it is held against. golden: a folder."""

    path: Path
    play: Playing
    golden: Path
    judging: Judging
