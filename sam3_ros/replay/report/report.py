"""The account of a replay: what became of every frame, how long it took, how right it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sam3_ros.replay.under_test.diagnostics import FrameCounts


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


def account_frames(sent: int, masks: int, node: FrameCounts) -> FrameAccount:
    """Of our own counts (sent, masks) and the node's."""
    return FrameAccount(
        sent=sent,
        answered=masks,
        dropped={reason: n for reason, n in node.dropped.items() if n},
        lost_to_node=sent - node.received,
        lost_from_node=node.answered - masks,
        unaccounted=node.in_work,
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
class CameraResult:
    """What came of one camera's frames.

    name: empty for the only one. click_answers: masks that came for an answered image again,
    because of a click on it. stray_masks: that answer no image, or one again without a click;
    wrong_frame_ids: of the masks. missing_scores: masks whose ~/scores did not come.
    """

    name: str
    frames: FrameAccount
    latency: Latency | None
    click_answers: int = 0
    stray_masks: int = 0
    wrong_frame_ids: int = 0
    missing_scores: int = 0

    @property
    def complete(self) -> bool:
        """Every frame answered or counted, every answer with its image's header."""
        return self.frames.balances and self.stray_masks == 0 and self.wrong_frame_ids == 0


@dataclass(frozen=True)
class PromptReport:
    """kind: text, click, box or followed. asked: the phrase, or the object or place of clicks.

    frames: answered while it was in use (text, followed), or clicks made. found: of these with a
    segment. judged: of these compared with the truth. iou: mean of the judged with something to
    find, None without. rightly_nothing, wrongly_something: judged frames that hold nothing of the
    kind. refused: why the node refused it, empty if it did not. camera: whose answers these are.
    lost: why it is followed no longer. delay_ms: median from a click to its first answer.
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
    camera: str = ""
    lost: str = ""
    delay_ms: float | None = None


@dataclass(frozen=True)
class ReplayReport:
    """cameras: one or more. publish_lateness_ms: the worst of a message against its time in the
    bag. seconds: of the whole, the node's start included. latency: of all cameras.
    """

    bag: str
    node: str
    seconds: float
    cameras: tuple[CameraResult, ...]
    latency: Latency | None
    prompts: tuple[PromptReport, ...]
    has_truth: bool
    publish_lateness_ms: float = 0.0
    files: tuple[str, ...] = ()

    @property
    def frames(self) -> FrameAccount:
        """Of all cameras."""
        return sum_of([camera.frames for camera in self.cameras])

    @property
    def stray_masks(self) -> int:
        return sum(camera.stray_masks for camera in self.cameras)

    @property
    def wrong_frame_ids(self) -> int:
        return sum(camera.wrong_frame_ids for camera in self.cameras)

    @property
    def missing_scores(self) -> int:
        return sum(camera.missing_scores for camera in self.cameras)

    @property
    def complete(self) -> bool:
        return all(camera.complete for camera in self.cameras)

    def document(self) -> dict[str, Any]:
        """For JSON."""
        totals = ("stray_masks", "wrong_frame_ids", "missing_scores", "complete")
        return {
            **asdict(self),
            "frames": asdict(self.frames),
            **{name: getattr(self, name) for name in totals},
        }


def sum_of(accounts: Sequence[FrameAccount]) -> FrameAccount:
    """Of several cameras."""
    dropped: Counter[str] = Counter()
    for account in accounts:
        dropped.update(account.dropped)
    return FrameAccount(
        sent=sum(a.sent for a in accounts),
        answered=sum(a.answered for a in accounts),
        dropped=dict(dropped),
        lost_to_node=sum(a.lost_to_node for a in accounts),
        lost_from_node=sum(a.lost_from_node for a in accounts),
        unaccounted=sum(a.unaccounted for a in accounts),
    )
