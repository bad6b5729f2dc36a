"""What a configured node tells of itself, for diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sam3_ros.ros.frames.ledger import FrameReport


@dataclass(frozen=True)
class StageLatency:
    """Of the last 300 answers in which the step ran."""

    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class CameraReport:
    """frames: the account. waiting_s: age of the frame that waits for its turn, None without one.

    silent_s: since the last image came, None before the first.
    """

    frames: FrameReport
    waiting_s: float | None
    silent_s: float | None


@dataclass(frozen=True)
class PipelineReport:
    """providers: by stage, what really runs it. converter: what reads images.

    prompts: ids of those that are asked. cameras: by name. clicks_waiting: to be answered on a
    frame already seen, the oldest since oldest_click_s; clicks_at_once: answered so. kept_*: what
    is remembered so that it need not be encoded again. stages: by step of an answer. last_error:
    why the last frame or click that failed did, and when; empty if none did.
    """

    providers: Mapping[str, str]
    converter: str
    prompts: tuple[str, ...]
    cameras: Mapping[str, CameraReport]
    clicks_waiting: int
    oldest_click_s: float | None
    clicks_at_once: int
    kept_frames: int
    kept_frame_bytes: int
    kept_texts: int
    kept_text_bytes: int
    stages: Mapping[str, StageLatency]
    last_error: str
