"""The report of a replay: the fate of every frame, latencies, and quality by ground truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from sam3_ros.replay.bag.recording import BagRemark
from sam3_ros.replay.report.places import PlaceReport
from sam3_ros.replay.report.tracks import TrackReport
from sam3_ros.replay.under_test.diagnostics import FrameCounts


@dataclass(frozen=True)
class FrameAccount:
    """The fate of frames: sent is the sum of all the others."""

    #: Images published.
    sent: int
    #: Masks that came back, one a frame.
    answered: int
    #: Dropped by the node, by its reason.
    dropped: Mapping[str, int]
    #: Never received by the node.
    lost_to_node: int
    #: Answered by the node, never received here.
    lost_from_node: int
    #: Received by the node, neither answered nor dropped.
    unaccounted: int
    #: Of the dropped ones, those that an error is the reason of, by the node's text of it.
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def balances(self) -> bool:
        """Whether the fate of every frame is known, and no frames of others are counted."""
        parts = (self.unaccounted, self.lost_to_node, self.lost_from_node)
        total = self.answered + sum(self.dropped.values()) + sum(parts)
        return self.unaccounted == 0 and min(parts) >= 0 and total == self.sent


def account_frames(sent: int, masks: int, node: FrameCounts) -> FrameAccount:
    """Combine our counts (sent, masks) with the node's."""
    return FrameAccount(
        sent=sent,
        answered=masks,
        dropped={reason: n for reason, n in node.dropped.items() if n},
        lost_to_node=sent - node.received,
        lost_from_node=node.answered - masks,
        unaccounted=node.in_work,
        failures={text: n for text, n in node.failures.items() if n},
    )


@dataclass(frozen=True)
class Latency:
    """Milliseconds from publishing an image to receiving its mask."""

    median_ms: float
    p95_ms: float


def latency_of(seconds: Sequence[float]) -> Latency | None:
    """Summarise latencies in seconds; None without any."""
    if not seconds:
        return None
    median, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return Latency(float(median), float(p95))


@dataclass(frozen=True)
class CameraResult:
    """The frames and masks of one camera."""

    #: Empty for the only camera.
    name: str
    frames: FrameAccount
    latency: Latency | None
    #: Masks that came for an answered image again, because of a click on it.
    click_answers: int = 0
    #: Masks that answer no image, or one again without a click.
    stray_masks: int = 0
    #: Masks whose frame_id is not the image's.
    wrong_frame_ids: int = 0
    #: Masks whose ~/scores did not come.
    missing_scores: int = 0

    @property
    def complete(self) -> bool:
        """Whether every frame is accounted for, and every answer has its image's header."""
        return self.frames.balances and self.stray_masks == 0 and self.wrong_frame_ids == 0


@dataclass(frozen=True)
class PromptReport:
    """The answers to one prompt, or to all clicks on one object."""

    #: text, click, box or followed.
    kind: str
    #: The phrase, or the object or place of clicks.
    asked: str
    #: Answered while it was asked (text, followed), or clicks made.
    frames: int
    #: Of these, with a segment.
    found: int
    #: Of these, compared with the ground truth.
    judged: int = 0
    #: Mean over judged frames with something to find; None without any.
    iou: float | None = None
    #: Judged frames without such an object, and without an answer.
    rightly_nothing: int = 0
    #: Judged frames without such an object, but with an answer.
    wrongly_something: int = 0
    #: Judged frames with a segment that is no such object, or the second of one.
    wrong_frames: int = 0
    #: Why the node refused it; empty if it did not.
    refused: str = ""
    #: Whose answers these are.
    camera: str = ""
    #: Why it is no longer followed; empty if it was not lost.
    lost: str = ""
    #: Median from a click to its first answer.
    delay_ms: float | None = None


@dataclass(frozen=True)
class ReplayReport:
    """The whole replay."""

    bag: str
    node: str
    #: Of everything, including the start of the node.
    seconds: float
    #: One or more.
    cameras: tuple[CameraResult, ...]
    #: Of all cameras.
    latency: Latency | None
    prompts: tuple[PromptReport, ...]
    has_truth: bool
    #: The worst delay of a message against its time in the bag.
    publish_lateness_ms: float = 0.0
    files: tuple[str, ...] = ()
    #: What a person should know of the files.
    file_remarks: tuple[str, ...] = ()
    #: The warnings of the node on prompts that it accepted, each once.
    prompt_warnings: tuple[str, ...] = ()
    #: What of the bag was left out, or not played as it was recorded.
    remarks: tuple[BagRemark, ...] = ()
    #: One per prompt whose objects have ids.
    tracks: tuple[TrackReport, ...] = ()
    #: One per prompt and true object that was found in images with depth.
    places: tuple[PlaceReport, ...] = ()
    #: Whether the node got depth of images for which the bag has true places.
    has_places: bool = False

    @property
    def frames(self) -> FrameAccount:
        """The frames of all cameras."""
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
        """Return plain data for JSON."""
        totals = ("stray_masks", "wrong_frame_ids", "missing_scores", "complete")
        return {
            **asdict(self),
            "frames": asdict(self.frames),
            **{name: getattr(self, name) for name in totals},
        }


def sum_of(accounts: Sequence[FrameAccount]) -> FrameAccount:
    """Add the accounts of several cameras."""
    dropped: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    for account in accounts:
        dropped.update(account.dropped)
        failures.update(account.failures)
    return FrameAccount(
        sent=sum(a.sent for a in accounts),
        answered=sum(a.answered for a in accounts),
        dropped=dict(dropped),
        lost_to_node=sum(a.lost_to_node for a in accounts),
        lost_from_node=sum(a.lost_from_node for a in accounts),
        unaccounted=sum(a.unaccounted for a in accounts),
        failures=dict(failures),
    )
