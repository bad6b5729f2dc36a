"""Prompts on their way to the node, and which answers were certainly asked which prompts.

Prompts and images travel on different topics, so around a change nobody can say which prompts a
frame was asked. A text counts from the first image sent after the node confirmed it. A click
concerns the frame it was placed on and, if it lasts, the frames sent after its first answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam3_ros.msg import PromptStatus
from sam3_ros.replay.ask.cues import BoxCue, PointCue, PromptCue, TextCue
from sam3_ros.replay.client.answered_frame import AnsweredFrame

# Begins the node's reason for dropping a prompt that it accepted earlier.
NO_LONGER = "no longer"


@dataclass(eq=False)
class PendingPrompt:
    """A prompt message that was published."""

    cue: PromptCue
    #: The ids about which the node has not sent a status yet.
    unconfirmed: set[str]
    #: Stamp in the bag of the image that a click names; None if it names none.
    placed_ns: int | None
    #: No image was being processed when the message was published.
    is_quiet: bool
    #: Seconds; None until the node has accepted all of it.
    accepted_at: float | None = None
    #: A click was answered, possibly before the node's status arrived.
    is_answered: bool = False

    @property
    def is_click(self) -> bool:
        return isinstance(self.cue, (PointCue, BoxCue))

    @property
    def lasts(self) -> bool:
        """Whether the click is asked again after its first answer."""
        return isinstance(self.cue, (PointCue, BoxCue)) and bool(self.cue.tracking or self.cue.id)


class PendingPrompts:
    """The pending prompts of one camera. Times are s, monotonic. Not thread-safe."""

    def __init__(self) -> None:
        self._unconfirmed: list[PendingPrompt] = []
        self._unanswered: list[PendingPrompt] = []  # clicks that were accepted
        self._texts_since = self._lasting_since = -math.inf

    def published(self, cue: PromptCue, placed_ns: int | None, is_quiet: bool) -> PendingPrompt:
        """Record a message that is published. Arguments are as in PendingPrompt."""
        prompt = PendingPrompt(cue, set(_ids(cue)), placed_ns, is_quiet)
        self._unconfirmed.append(prompt)
        return prompt

    def status_came(self, status: PromptStatus, now: float) -> PendingPrompt | None:
        """Return the message that this status completes; accepted if its accepted_at is set."""
        if status.reason.startswith(NO_LONGER):
            return None
        known = (p for p in self._unconfirmed if status.prompt_id in p.unconfirmed)
        prompt = next(known, None)
        if prompt is None:
            return None
        prompt.unconfirmed.discard(status.prompt_id)
        if status.accepted and prompt.unconfirmed:
            return None
        self._unconfirmed.remove(prompt)
        if status.accepted:
            prompt.accepted_at = now
            if prompt.is_click and not prompt.is_answered:
                self._unanswered.append(prompt)
        if not prompt.is_click:
            self._texts_since = now
        return prompt

    def refused_late(self, prompt_id: str) -> None:
        """Forget a click that was accepted and could not be answered."""
        self._unanswered = [p for p in self._unanswered if prompt_id not in _ids(p.cue)]

    def answered(self, frame: AnsweredFrame) -> None:
        """Mark the click that this frame answers. To be called after is_certain."""
        for prompt in self._clicks():
            if _is_answer(prompt, frame):
                prompt.is_answered = True
                self._unanswered = [p for p in self._unanswered if p is not prompt]
                if prompt.lasts:
                    self._lasting_since = frame.sent_at + frame.latency
                return

    @property
    def has_any(self) -> bool:
        return bool(self._unconfirmed or self._unanswered)

    def is_pending(self, prompt: PendingPrompt) -> bool:
        """Return whether the node's status or a click's first answer is still to come."""
        return prompt in self._unconfirmed or prompt in self._unanswered

    def is_unconfirmed(self, prompt: PendingPrompt) -> bool:
        """Return whether the node's status is still to come."""
        return prompt in self._unconfirmed

    def has_certain_texts(self, frame: AnsweredFrame) -> bool:
        """Return whether an answer that comes now was certainly asked the accepted texts."""
        return all(p.is_click for p in self._unconfirmed) and frame.sent_at >= self._texts_since

    def is_certain(self, frame: AnsweredFrame) -> bool:
        """Return whether an answer that comes now was certainly asked all accepted prompts."""
        if not self.has_certain_texts(frame):
            return False
        clicks = self._clicks()
        if frame.repeat:
            return len(clicks) <= 1
        return frame.sent_at >= self._lasting_since and not any(
            _may_concern(click, frame) for click in clicks
        )

    def _clicks(self) -> list[PendingPrompt]:
        """Return the clicks without an answer, in the order in which they were published."""
        unconfirmed = [p for p in self._unconfirmed if p.is_click and not p.is_answered]
        return [*self._unanswered, *unconfirmed]


def _is_answer(prompt: PendingPrompt, frame: AnsweredFrame) -> bool:
    if frame.repeat:
        return prompt.placed_ns in (None, frame.bag_stamp_ns)
    if any(frame.holds(prompt_id) for prompt_id in _ids(prompt.cue)):
        return True
    return prompt.accepted_at is not None and frame.sent_at >= prompt.accepted_at


def _may_concern(prompt: PendingPrompt, frame: AnsweredFrame) -> bool:
    """Return whether a frame's first answer may, but need not, answer this click too."""
    if prompt.placed_ns is not None:
        return prompt.placed_ns == frame.bag_stamp_ns
    is_later = prompt.accepted_at is not None and frame.sent_at >= prompt.accepted_at
    return not (prompt.is_quiet and is_later)


def _ids(cue: PromptCue) -> tuple[str, ...]:
    """Return the ids on which the node reports; one empty id for texts that are cleared."""
    if isinstance(cue, TextCue):
        return (cue.id,) if cue.id else cue.phrases or ("",)
    return (cue.id,) if not isinstance(cue, (PointCue, BoxCue)) else (cue.prompt_id,)
