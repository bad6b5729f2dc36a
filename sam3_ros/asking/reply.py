"""What a node replies to a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from std_msgs.msg import Header

from sam3_ros.msg import PromptStatus, SegmentScore


@dataclass(frozen=True)
class PromptReply:
    """What the node said of a prompt."""

    #: Empty where a message as a whole is meant.
    id: str
    accepted: bool
    #: Why it was refused.
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, status: PromptStatus) -> PromptReply:
        return cls(status.prompt_id, status.accepted, status.reason, tuple(status.warnings))

    def after(self, earlier: PromptReply) -> PromptReply:
        """Return this with the warnings that were given earlier, too."""
        warnings = dict.fromkeys((*earlier.warnings, *self.warnings))
        return replace(self, warnings=tuple(warnings))


@dataclass(frozen=True)
class Found:
    """An object in the answer."""

    label: str
    prompt_id: str
    score: float
    #: Corners x_min, y_min, x_max, y_max in pixels of the image.
    box: tuple[float, float, float, float]
    #: 0 if it is not tracked.
    track_id: int = 0

    @classmethod
    def of(cls, score: SegmentScore) -> Found:
        box = score.box
        corners = (box.x_min, box.y_min, box.x_max, box.y_max)
        return cls(score.label, score.prompt_id, float(score.score), corners, score.track_id)


@dataclass(frozen=True)
class AnsweredImage:
    """The image that the answer is about."""

    frame_id: str
    #: Of its header, s and ns.
    stamp: tuple[int, int]

    @classmethod
    def of(cls, header: Header) -> AnsweredImage:
        return cls(header.frame_id, (header.stamp.sec, header.stamp.nanosec))


@dataclass(frozen=True)
class Reply:
    """What the node said, and what it found."""

    #: Full name of the node.
    node: str
    prompts: tuple[PromptReply, ...]
    #: None if no answer was waited for, or nothing was asked.
    image: AnsweredImage | None = None
    #: Best first.
    found: tuple[Found, ...] = ()

    @property
    def refusals(self) -> tuple[str, ...]:
        return tuple(each.reason for each in self.prompts if not each.accepted)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for each in self.prompts for text in each.warnings))

    def document(self) -> dict[str, Any]:
        """Return what JSON shows."""
        return asdict(self)


def found_in(scores: Sequence[SegmentScore]) -> tuple[Found, ...]:
    """Return what is seen of an answer."""
    return tuple(Found.of(score) for score in scores if not score.frames_unseen)
