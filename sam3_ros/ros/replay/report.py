"""The account of a replay: what became of every frame, how long it took, how right it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FrameAccount:
    """sent = answered + dropped + lost to the node + lost from the node + unaccounted.

    sent: images published. answered: masks that came back, one a frame. dropped: by the node, by
    its reason. lost_to_node: never received there. lost_from_node: answered there, never received
    here. unaccounted: received by the node and neither answered nor dropped.
    """

    sent: int
    answered: int
    dropped: Mapping[str, int]
    lost_to_node: int
    lost_from_node: int
    unaccounted: int

    @property
    def balances(self) -> bool:
        """Whether every frame's fate is known, and no other's frames are among them."""
        parts = (self.unaccounted, self.lost_to_node, self.lost_from_node)
        total = self.answered + sum(self.dropped.values()) + sum(parts)
        return self.unaccounted == 0 and min(parts) >= 0 and total == self.sent


def account_frames(
    sent: int, masks: int, received: int, answered: int, dropped: Mapping[str, int]
) -> FrameAccount:
    """Of our own counts (sent, masks) and the node's (received, answered, dropped)."""
    return FrameAccount(
        sent=sent,
        answered=masks,
        dropped={reason: n for reason, n in dropped.items() if n},
        lost_to_node=sent - received,
        lost_from_node=answered - masks,
        unaccounted=received - answered - sum(dropped.values()),
    )


@dataclass(frozen=True)
class Latency:
    """Milliseconds from publishing an image to receiving its mask."""

    median_ms: float
    p95_ms: float


def latency_of(seconds: Sequence[float]) -> Latency | None:
    """None without an answer."""
    if not seconds:
        return None
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return Latency(float(median), float(p95))


@dataclass(frozen=True)
class PromptReport:
    """kind: text, click or box. asked: the phrase, or the number of clicks as words.

    frames: answered while it was in use (text), or clicks made. found: of these with a segment.
    judged: of these compared with the truth. iou: mean of the judged with something to find,
    None without. rightly_nothing, wrongly_something: judged frames that hold nothing of the kind.
    refused: why the node refused it, empty if it did not.
    """

    kind: str
    asked: str
    frames: int
    found: int
    judged: int = 0
    iou: float | None = None
    rightly_nothing: int = 0
    wrongly_something: int = 0
    refused: str = ""


@dataclass(frozen=True)
class ReplayReport:
    """stray_masks: that answer no image of ours, or a second time; wrong_frame_ids: of the masks.

    missing_scores: masks whose ~/scores did not come. publish_lateness_ms: the worst of a message
    against its time in the bag. seconds: of the whole, the node's start included.
    """

    bag: str
    node: str
    seconds: float
    frames: FrameAccount
    latency: Latency | None
    prompts: tuple[PromptReport, ...]
    has_truth: bool
    stray_masks: int = 0
    wrong_frame_ids: int = 0
    missing_scores: int = 0
    publish_lateness_ms: float = 0.0
    files: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Every frame answered or counted, every answer with its image's header."""
        return self.frames.balances and self.stray_masks == 0 and self.wrong_frame_ids == 0

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "complete": self.complete}
