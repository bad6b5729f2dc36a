"""Which answers belong to which prompt, and how well they agree with the truth.

Prompts and images travel on different topics, so around a change it cannot be told which prompts
a frame was asked for. A text counts from the first image sent after the node took it, to the last
answer that came before the next text was published. A click counts once: for the first answer
that came after it and holds its id.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam3_ros.core.geometry import Box
from sam3_ros.ros.replay.answered_frame import AnsweredFrame
from sam3_ros.ros.replay.prompt_cues import BoxCue, PointCue, PromptCue, TextCue
from sam3_ros.ros.replay.prompt_tally import PromptTally
from sam3_ros.ros.replay.report import PromptReport
from sam3_ros.ros.replay.truth import Truth

# As the node names what comes by ~/prompt/point and ~/prompt/box.
POINT_ID, BOX_ID = "point", "box"
_CLICK_IDS = (POINT_ID, BOX_ID)


@dataclass
class _Click:
    tally: PromptTally
    true_number: int | None
    is_open: bool = True


class PromptJudge:
    """Times are seconds of one monotonic clock. Not safe for threads: the caller locks."""

    def __init__(self, truth: Truth | None) -> None:
        self._truth = truth
        self._tallies: dict[tuple[str, str], PromptTally] = {}
        self._phrases: tuple[str, ...] = ()
        self._coming: TextCue | None = None
        self._phrases_since = -math.inf
        self._clicks: dict[str, _Click] = {}

    def published(self, cue: PromptCue, bag_stamp_ns: int) -> None:
        """A prompt goes out. bag_stamp_ns: of the image that a click was placed on."""
        if isinstance(cue, TextCue):
            self._coming = cue
            for phrase in cue.phrases:
                self._tally("text", phrase)
            return
        prompt_id = POINT_ID if isinstance(cue, PointCue) else BOX_ID
        number = self._number_of(cue, bag_stamp_ns)
        tally = self._tally("click" if prompt_id == POINT_ID else "box", self._named(cue, number))
        tally.frames += 1
        self._clicks[prompt_id] = _Click(tally, number)

    def told(self, prompt_id: str, accepted: bool, reason: str, now: float) -> None:
        """The node has taken or refused a prompt."""
        if prompt_id in _CLICK_IDS:
            click = self._clicks.get(prompt_id)
            if click is not None and not accepted:
                click.tally.refused, click.is_open = reason, False
            return
        if self._coming is None:
            return
        if accepted:
            self._phrases = self._coming.phrases
        else:
            for phrase in self._coming.phrases:
                self._tally("text", phrase).refused = reason
        self._coming, self._phrases_since = None, now

    def is_certain(self, sent_at: float) -> bool:
        """Whether an answer that comes now, to an image sent then, is to the texts known here."""
        return self._coming is None and sent_at >= self._phrases_since

    def answered(self, frame: AnsweredFrame) -> None:
        for prompt_id, click in self._clicks.items():
            if click.is_open and frame.holds(prompt_id):
                click.is_open = False
                click.tally.found += 1
                self._judge(click.tally, frame, prompt_id, click.true_number)
        if not frame.certain:
            return
        for phrase in self._phrases:
            tally = self._tally("text", phrase)
            tally.frames += 1
            tally.found += frame.holds(phrase)
            self._judge(tally, frame, phrase, None)

    def reports(self) -> tuple[PromptReport, ...]:
        """In the order in which they were first asked."""
        return tuple(tally.report() for tally in self._tallies.values())

    def _judge(
        self, tally: PromptTally, frame: AnsweredFrame, prompt_id: str, number: int | None
    ) -> None:
        if self._truth is None or frame.bag_stamp_ns not in self._truth.labels:
            return
        is_text = prompt_id not in _CLICK_IDS
        numbers = self._truth.named_by(prompt_id) if is_text else frozenset([number or 0]) - {0}
        if numbers is None or (not is_text and not numbers):
            return  # a phrase that cannot be understood, or a click on no object: nothing is true
        true = self._truth.mask(frame.bag_stamp_ns, numbers)
        if true.shape == frame.labels.shape:
            tally.judge(frame.mask_of(prompt_id), true)

    def _number_of(self, cue: PointCue | BoxCue, bag_stamp_ns: int) -> int | None:
        if self._truth is None or bag_stamp_ns not in self._truth.labels:
            return None
        if isinstance(cue, PointCue):
            return self._truth.number_at(bag_stamp_ns, cue.x, cue.y)
        box = Box(cue.x, cue.y, cue.x + cue.width, cue.y + cue.height)
        return self._truth.number_in(bag_stamp_ns, box)

    def _named(self, cue: PointCue | BoxCue, number: int | None) -> str:
        if self._truth is not None and number in self._truth.objects:
            return f"on the {self._truth.objects[number]}"
        return f"at {cue.x:g},{cue.y:g}"

    def _tally(self, kind: str, asked: str) -> PromptTally:
        return self._tallies.setdefault((kind, asked), PromptTally(kind, asked))
