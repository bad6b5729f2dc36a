"""Prompt messages on their way, and which answers are certainly to what prompts.

Prompts and images travel on different topics, so around a change it cannot be told which prompts
a frame was asked for. A text counts from the first image sent after the node said that it took it.
A click concerns the frame it was placed on, and if it lasts those sent after its first answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam3_ros.msg import PromptStatus
from sam3_ros.replay.ask.cues import BoxCue, PointCue, PromptCue, TextCue
from sam3_ros.replay.client.answered_frame import AnsweredFrame

# How the node begins to say that a prompt which it took is dropped; no word about a message.
NO_LONGER = "no longer"


@dataclass(eq=False)
class PendingPrompt:
    """A message that went out. untold: the ids of which the node has said nothing yet.

    placed_ns: stamp in the bag of the image that a click names, None if it names none. is_quiet:
    no image was under way when it left. told_at: s, None until the node has taken it. has_landed:
    a click was answered, be it before the node's word.
    """

    cue: PromptCue
    untold: set[str]
    placed_ns: int | None
    is_quiet: bool
    told_at: float | None = None
    has_landed: bool = False

    @property
    def is_click(self) -> bool:
        return isinstance(self.cue, (PointCue, BoxCue))

    @property
    def lasts(self) -> bool:
        """Whether it is asked again after its first answer."""
        return isinstance(self.cue, (PointCue, BoxCue)) and bool(self.cue.sticky or self.cue.id)


class PendingPrompts:
    """Of one camera. Times are s, monotonic. Not safe for threads: the caller locks."""

    def __init__(self) -> None:
        self._waiting: list[PendingPrompt] = []  # for the node's word
        self._landing: list[PendingPrompt] = []  # clicks that were taken and not answered yet
        self._since = self._lasting_since = -math.inf

    def published(self, cue: PromptCue, placed_ns: int | None, is_quiet: bool) -> PendingPrompt:
        """A message goes out."""
        ticket = PendingPrompt(cue, set(_ids(cue)), placed_ns, is_quiet)
        self._waiting.append(ticket)
        return ticket

    def told(self, status: PromptStatus, now: float) -> PendingPrompt | None:
        """The message about which this is the last word: taken if its told_at is set."""
        if status.reason.startswith(NO_LONGER):
            return None
        ticket = next((t for t in self._waiting if status.prompt_id in t.untold), None)
        if ticket is None:
            return None
        ticket.untold.discard(status.prompt_id)
        if status.accepted and ticket.untold:
            return None
        self._waiting.remove(ticket)
        if status.accepted:
            ticket.told_at = now
            self._landing += [ticket] if ticket.is_click and not ticket.has_landed else []
        if not ticket.is_click:
            self._since = now
        return ticket

    def refused_late(self, prompt_id: str) -> None:
        """A click that had been taken could not be answered."""
        self._landing = [t for t in self._landing if prompt_id not in _ids(t.cue)]

    def answered(self, frame: AnsweredFrame) -> None:
        """To be called after is_certain: clicks that this answers have landed."""
        for ticket in self._clicks():
            if _is_answer(ticket, frame):
                ticket.has_landed = True
                self._landing = [t for t in self._landing if t is not ticket]
                if ticket.lasts:
                    self._lasting_since = frame.sent_at + frame.latency
                return

    @property
    def has_some_under_way(self) -> bool:
        return bool(self._waiting or self._landing)

    def is_under_way(self, ticket: PendingPrompt) -> bool:
        """Whether the node's word or a click's first answer is still to come."""
        return ticket in self._waiting or ticket in self._landing

    def is_waiting(self, ticket: PendingPrompt) -> bool:
        """Whether the node's word is still to come."""
        return ticket in self._waiting

    def has_certain_texts(self, frame: AnsweredFrame) -> bool:
        """Whether an answer that comes now is certainly to the texts known here."""
        return all(t.is_click for t in self._waiting) and frame.sent_at >= self._since

    def is_certain(self, frame: AnsweredFrame) -> bool:
        """The same of all prompts."""
        if not self.has_certain_texts(frame):
            return False
        clicks = self._clicks()
        if frame.repeat:
            return len(clicks) <= 1
        return frame.sent_at >= self._lasting_since and not any(_disturbs(t, frame) for t in clicks)

    def _clicks(self) -> list[PendingPrompt]:
        """Those that are to be answered yet, in the order in which they left."""
        waiting = [t for t in self._waiting if t.is_click and not t.has_landed]
        return [*self._landing, *waiting]


def _is_answer(ticket: PendingPrompt, frame: AnsweredFrame) -> bool:
    if frame.repeat:
        return ticket.placed_ns in (None, frame.bag_stamp_ns)
    if any(frame.holds(prompt_id) for prompt_id in _ids(ticket.cue)):
        return True
    return ticket.told_at is not None and frame.sent_at >= ticket.told_at


def _disturbs(ticket: PendingPrompt, frame: AnsweredFrame) -> bool:
    """Whether a frame's first answer may or may not have been to this click too."""
    if ticket.placed_ns is not None:
        return ticket.placed_ns == frame.bag_stamp_ns
    is_later = ticket.told_at is not None and frame.sent_at >= ticket.told_at
    return not (ticket.is_quiet and is_later)


def _ids(cue: PromptCue) -> tuple[str, ...]:
    """The ids of which the node tells; one empty one for texts that are cleared."""
    if isinstance(cue, TextCue):
        return (cue.id,) if cue.id else cue.phrases or ("",)
    return (cue.id,) if not isinstance(cue, (PointCue, BoxCue)) else (cue.prompt_id,)
