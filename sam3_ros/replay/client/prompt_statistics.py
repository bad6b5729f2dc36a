"""Statistics of each prompt of a camera: frames, hits, and IoU with the ground truth.

A text counts in every frame that was certainly asked it. A click counts once: in the first answer
after it that contains its id. A followed object counts from that answer on, in every frame until
it is lost or removed, or the replay ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sam3_ros.replay.ask.cues import BoxCue, ClickCue, PointCue, PromptCue, TextCue
from sam3_ros.replay.bag.truth import Truth
from sam3_ros.replay.client.answered_frame import AnsweredFrame, Mask, mask_iou
from sam3_ros.replay.report.report import PromptReport


@dataclass
class _Tally:
    """The running counts of a PromptReport."""

    kind: str
    asked: str
    camera: str = ""
    frames: int = 0
    found: int = 0
    rightly_nothing: int = 0
    wrongly_something: int = 0
    wrong_frames: int = 0
    refused: str = ""
    lost: str = ""
    ious: list[float] = field(default_factory=list)
    #: Seconds from a click to its first answer.
    delays: list[float] = field(default_factory=list)

    def compare(self, found: Mask, true: Mask) -> None:
        """Compare two masks, bool [H, W]."""
        if true.any():
            self.ious.append(mask_iou(found, true))
        elif found.any():
            self.wrongly_something += 1
        else:
            self.rightly_nothing += 1

    def report(self) -> PromptReport:
        return PromptReport(
            kind=self.kind,
            asked=self.asked,
            frames=self.frames,
            found=self.found,
            judged=len(self.ious) + self.rightly_nothing + self.wrongly_something,
            iou=float(np.mean(self.ious)) if self.ious else None,
            rightly_nothing=self.rightly_nothing,
            wrongly_something=self.wrongly_something,
            wrong_frames=self.wrong_frames,
            refused=self.refused,
            camera=self.camera,
            lost=self.lost,
            delay_ms=float(np.median(self.delays)) * 1000 if self.delays else None,
        )


@dataclass
class _Click:
    """A click that has no answer yet."""

    cue: ClickCue
    tally: _Tally
    #: The object it was placed on; None if that is not known.
    true_number: int | None
    #: Stamp in the bag of the image that it names; None if it names none.
    placed_ns: int | None
    at: float


@dataclass
class _Followed:
    """An object that is followed."""

    tally: _Tally
    true_number: int | None
    #: Answers without it since it was last seen; they count once it is seen again.
    missed: list[AnsweredFrame] = field(default_factory=list)


class PromptStatistics:
    """The prompts of one camera. Times are s of one monotonic clock. Not thread-safe."""

    def __init__(self, truth: Truth | None, camera: str = "") -> None:
        self._truth = truth
        self._camera = camera
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._phrases: dict[str, tuple[str, ...]] = {}  # by the camera that the texts are for
        self._named: dict[str, str] = {}  # phrases by their ids
        self._clicks: list[_Click] = []
        self._followed: dict[str, _Followed] = {}
        #: Kind and what was asked, by prompt id.
        self.titles: dict[str, tuple[str, str]] = {}

    @property
    def asked(self) -> frozenset[str]:
        """The ids of the texts that are asked and of the objects that are followed."""
        phrases = (phrase for several in self._phrases.values() for phrase in several)
        return frozenset((*phrases, *self._named, *self._followed))

    def published(
        self, cue: PromptCue, bag_stamp_ns: int, now: float = 0.0, *, is_named: bool = False
    ) -> None:
        """Record a prompt that is published.

        bag_stamp_ns: of the image that a click was placed on. is_named: the click names that
        image and is answered on no other.
        """
        if isinstance(cue, TextCue):
            for phrase in cue.phrases:
                self._tally("text", phrase)
            named = cue.added or {phrase: phrase for phrase in cue.phrases}
            self.titles |= {prompt_id: ("text", phrase) for prompt_id, phrase in named.items()}
        elif isinstance(cue, (PointCue, BoxCue)):
            number = self._number_of(cue, bag_stamp_ns)
            tally = self._tally(_kind(cue), self._described(cue, number))
            tally.frames += not cue.tracking
            self.titles[cue.prompt_id] = (tally.kind, tally.asked)
            placed_ns = bag_stamp_ns if is_named else None
            if not is_named:  # it replaces one that has no answer yet
                self._clicks = [c for c in self._clicks if c.cue.prompt_id != cue.prompt_id]
            self._clicks.append(_Click(cue, tally, number, placed_ns, now))

    def accepted(self, cue: PromptCue) -> None:
        """Record that the node asks the prompt from now on."""
        if isinstance(cue, TextCue):
            self._named |= cue.added
            if not cue.added:
                self._phrases[cue.camera] = cue.phrases
        elif not isinstance(cue, (PointCue, BoxCue)):
            self._named.pop(cue.id, None)
            self._end(cue.id)

    def refused(self, cue: PromptCue, reason: str) -> None:
        """Record that the node does not ask the prompt; earlier ones stay."""
        if isinstance(cue, TextCue):
            for phrase in cue.phrases:
                self._tally("text", phrase).refused = reason
        for click in [c for c in self._clicks if c.cue is cue]:
            click.tally.refused = reason
            self._clicks.remove(click)

    def dropped(self, prompt_id: str, reason: str) -> None:
        """Record that the node no longer asks a prompt that it had accepted."""
        for click in [c for c in self._clicks if c.cue.prompt_id == prompt_id][:1]:
            click.tally.refused = reason
            self._clicks.remove(click)
        followed = self._followed.pop(prompt_id, None)
        if followed is not None:
            followed.tally.lost = reason

    def answered(self, frame: AnsweredFrame, texts_are_certain: bool) -> None:
        """Count an answer. texts_are_certain: it was asked exactly the accepted texts."""
        for prompt_id, followed in self._followed.items():
            if not frame.repeat:
                self._count_followed(frame, prompt_id, followed)
        answered: set[str] = set()
        for click in list(self._clicks):
            prompt_id = click.cue.prompt_id
            is_its_image = click.placed_ns in (None, frame.bag_stamp_ns)
            if prompt_id not in answered and is_its_image and frame.holds(prompt_id):
                answered.add(prompt_id)  # another click on the image has its own answer
                self._clicks.remove(click)
                self._count_click(frame, prompt_id, click)
        if texts_are_certain and not frame.repeat:
            self._count_texts(frame)

    def reports(self) -> tuple[PromptReport, ...]:
        """Return a report per prompt, in the order in which they were first asked."""
        for prompt_id in list(self._followed):
            self._end(prompt_id)
        return tuple(tally.report() for tally in self._tallies.values())

    def _count_texts(self, frame: AnsweredFrame) -> None:
        asked = [(phrase, phrase) for phrases in self._phrases.values() for phrase in phrases]
        for prompt_id, phrase in dict([*asked, *self._named.items()]).items():
            tally = self._tally("text", phrase)
            tally.frames += 1
            tally.found += frame.holds(prompt_id)
            numbers = None if self._truth is None else self._truth.named_by(phrase)
            self._compare(tally, frame, prompt_id, numbers)

    def _count_click(self, frame: AnsweredFrame, prompt_id: str, click: _Click) -> None:
        click.tally.delays.append(frame.sent_at + frame.latency - click.at)
        if click.tally.kind == "followed":
            self._followed[prompt_id] = _Followed(click.tally, click.true_number)
            self._count_followed(frame, prompt_id, self._followed[prompt_id])
            return
        click.tally.found += 1
        self._compare(click.tally, frame, prompt_id, _only(click.true_number))

    def _count_followed(self, frame: AnsweredFrame, prompt_id: str, followed: _Followed) -> None:
        if not frame.holds(prompt_id):
            followed.missed.append(frame)
            return
        self._count_missed(prompt_id, followed)
        followed.tally.frames += 1
        followed.tally.found += 1
        self._compare(followed.tally, frame, prompt_id, _only(followed.true_number))

    def _count_missed(self, prompt_id: str, followed: _Followed) -> None:
        for frame in followed.missed:
            followed.tally.frames += 1
            self._compare(followed.tally, frame, prompt_id, _only(followed.true_number))
        followed.missed.clear()

    def _end(self, prompt_id: str) -> None:
        """Stop following an object that was not lost."""
        followed = self._followed.pop(prompt_id, None)
        if followed is not None:
            self._count_missed(prompt_id, followed)

    def _compare(
        self, tally: _Tally, frame: AnsweredFrame, prompt_id: str, numbers: frozenset[int] | None
    ) -> None:
        """Compare with the ground truth.

        numbers: the objects that the prompt means; None where the ground truth cannot tell.
        """
        if self._truth is None or numbers is None or frame.bag_stamp_ns not in self._truth.labels:
            return
        true = self._truth.mask(frame.bag_stamp_ns, numbers)
        if true.shape == frame.labels.shape:
            tally.compare(frame.mask_of(prompt_id), true)
            places = [self._truth.bounds(frame.bag_stamp_ns, number) for number in numbers]
            tally.wrong_frames += frame.has_wrong(prompt_id, [box for box in places if box])

    def _number_of(self, cue: ClickCue, bag_stamp_ns: int) -> int | None:
        if self._truth is None or bag_stamp_ns not in self._truth.labels:
            return None
        if isinstance(cue, PointCue):
            return self._truth.number_at(bag_stamp_ns, cue.x, cue.y)
        return self._truth.number_in(bag_stamp_ns, cue.box)

    def _described(self, cue: ClickCue, number: int | None) -> str:
        if self._truth is not None and number is not None and number in self._truth.objects:
            name = str(self._truth.objects[number])
            return name if cue.tracking else f"on the {name}"
        x, y = (cue.x, cue.y) if isinstance(cue, PointCue) else (cue.x_min, cue.y_min)
        return f"at {x:g},{y:g}"

    def _tally(self, kind: str, asked: str) -> _Tally:
        return self._tallies.setdefault((kind, asked), _Tally(kind, asked, self._camera))


def _kind(cue: ClickCue) -> str:
    if cue.tracking:
        return "followed"
    return "click" if isinstance(cue, PointCue) else "box"


def _only(number: int | None) -> frozenset[int] | None:
    """Return the clicked object's number; None for a click on no object, which is not judged."""
    return frozenset([number]) if number else None
