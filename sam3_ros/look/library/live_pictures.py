"""The pictures that come, answered; and what is asked of them. All of it on the inference thread.

What is public and only read (`asked`, `figures`, `of_camera`, `remarks`) is for any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.drawing.answered_picture import AnsweredPicture
from sam3_ros.look.library.answerer import PictureAnswerer
from sam3_ros.look.library.asked_prompts import AskedPrompts, Figures, PromptFigures
from sam3_ros.look.library.figures import CameraFigures, PassingRemarks
from sam3_ros.look.library.kept_pictures import KeepingLimits, KeptPicture, KeptPictures
from sam3_ros.look.library.photos import Photos
from sam3_ros.look.library.picture_feed import FeedWatch, PictureFeed
from sam3_ros.look.library.shots import Shot
from sam3_ros.ros.error_text import described
from sam3_ros.ros.frames.kept_answers import Answers, KeptAnswers
from sam3_ros.ros.frames.ledger import DropReason
from sam3_ros.ros.frames.out_of_memory import is_out_of_memory
from sam3_ros.ros.prompts.active import ActivePrompt

_NO_MODEL = "the model could not be loaded, so nothing can be asked: start again with another one"


@dataclass(frozen=True, eq=False)
class WaitingHold:
    """Somebody who waits for a picture to hold; one of the two is called, once."""

    give: Callable[[KeptPicture], None]
    refuse: Callable[[str], None]


class LivePictures:
    """Answers shots and hands them to the feed."""

    def __init__(
        self,
        cameras: Sequence[str],
        feed: PictureFeed,
        photos: Photos | None,
        limits: KeepingLimits,
    ) -> None:
        """photos: where the pictures are of photos, which can be read again."""
        self.asked = AskedPrompts(cameras)
        self.remarks = PassingRemarks()
        self.of_camera: Mapping[str, CameraFigures] = {each: CameraFigures() for each in cameras}
        #: What the newest picture of each camera showed; replaced as a whole.
        self.figures: Mapping[str, Figures] = {}
        self.memory = KeptPictures(limits)
        self._feed = feed
        self._photos = photos
        self._model: PictureAnswerer | None = None
        self._waiting: dict[str, list[WaitingHold]] = {}

    @property
    def follows(self) -> bool:
        """Whether anything moves in the pictures."""
        return self._photos is None

    @property
    def model(self) -> PictureAnswerer:
        """What answers. Raises PromptError while there is none."""
        if self._model is None:
            raise PromptError(_NO_MODEL)
        return self._model

    def use(self, model: PictureAnswerer) -> None:
        """Answer with it from now on."""
        self._model = model

    def answer(self, shot: Shot) -> None:
        """Answer a picture and hand it over; whatever goes wrong is counted."""
        figures = self.of_camera[shot.camera]
        if shot.camera not in self._feed.cameras and shot.camera not in self._waiting:
            figures.ledger.count_dropped(DropReason.NOBODY_LISTENS)
            return
        try:
            kept = self._decoded(shot)
        except Exception as error:  # also what a decoder raises
            figures.failed(DropReason.UNDECODABLE, described(error))
            return
        if self._answer_or_count(kept):
            figures.answered(time.monotonic() - shot.received)

    def answer_again(self, camera: str) -> None:
        """Answer the newest picture of a camera anew, where no other one comes."""
        kept = self.memory.newest(camera)
        if kept is not None:
            self._answer_or_count(kept)

    def show_newest(self, watch: FeedWatch) -> None:
        """Hand the newest picture to one who begins to watch."""
        kept = self.memory.newest(watch.view.camera)
        if kept is not None:
            answers = kept.answers.of(self.asked.is_asked) if kept.is_answered else None
            self._feed.publish(self.picture(kept, answers), only=watch)

    def when_answered(self, camera: str, waiting: WaitingHold) -> None:
        """Give the newest picture, or the next one that is answered."""
        kept = self.memory.newest(camera)
        if kept is None and self._photos is not None:
            kept = self._decoded(self._photos.shot(camera))
            self._answer(kept)
        if kept is not None and kept.is_answered:
            waiting.give(kept)
        else:
            self._waiting.setdefault(camera, []).append(waiting)

    def refuse_waiting(self, reason: str) -> None:
        """Refuse those who wait; once no picture comes any more."""
        for waiting in self._waiting.values():
            for each in waiting:
                each.refuse(reason)
        self._waiting = {}

    def answered_with(self, kept: KeptPicture, threshold: float) -> Answers:
        """Return what a picture shows of all that is asked, also what was asked after its answer.

        What is followed shows nothing in a picture that it was not followed in.
        """
        known = kept.answers.of(self.asked.is_asked)
        answers: Answers = {}
        for active in self.asked.asked(kept.camera):
            if active in known or active.tracking:
                answers[active] = known.get(active, ())
            else:
                with suppress(PromptError):  # it does not fit the picture, and ends by itself
                    answers |= self.model.answer_still(kept, [active], threshold)
        return answers

    def required(self, camera: str, stamp_ns: int) -> KeptPicture:
        """Return the picture of this stamp. Raises PromptError where it is not kept."""
        if self._photos is not None and self.memory.find(camera, stamp_ns) is None:
            shot = self._photos.shot(camera)
            if shot.stamp_ns == stamp_ns:
                self.memory.add(self._decoded(shot))
        return self.memory.required(camera, stamp_ns)

    def add_answer(self, kept: KeptPicture, active: ActivePrompt, found: Sequence[Segment]) -> None:
        """Add what a prompt found to what a picture showed; shown if it is the newest one."""
        answers = {**kept.answers.of(self.asked.is_asked), active: tuple(found)}
        kept.answers = KeptAnswers(answers)
        self.asked.answered(kept.camera, (active,), kept.stamp_ns)
        self.memory.trim()
        is_newest = self.memory.newest(kept.camera) is kept
        self._note(kept.camera, answers if is_newest else {active: tuple(found)}, is_newest)
        if is_newest:
            self._feed.publish(self.picture(kept, answers))

    def restart(self, why: str) -> None:
        """End what is followed: the pictures begin again."""
        if self._model is not None:
            for camera in self.of_camera:
                self._model.restart(camera, why)

    def end(self, camera: str, active: ActivePrompt, why: str) -> None:
        """Stop asking a prompt of a camera, and tell it."""
        self.remarks.add(f"{self.asked.label(active)!r}: {why}")
        self.asked.remove(active, camera)

    def picture(self, kept: KeptPicture, answers: Answers | None) -> AnsweredPicture:
        """Return a picture with what it shows, under the names that people gave."""
        values = {active.prompt.id: active.label_value for active in answers or {}}
        found = None if answers is None else self._named(answers)
        return AnsweredPicture.of(kept.camera, kept.stamp_ns, kept.rgb, found, values)

    def _named(self, answers: Answers) -> list[Segment]:
        named: list[Segment] = []
        for active, found in answers.items():
            label = self.asked.label(active)
            is_same = label == active.prompt.label
            named += found if is_same else (replace(segment, label=label) for segment in found)
        return named

    def _decoded(self, shot: Shot) -> KeptPicture:
        kept = self.memory.find(shot.camera, shot.stamp_ns) if self._photos is not None else None
        return kept or KeptPicture(shot.camera, shot.stamp_ns, shot.pixels(), shot.received)

    def _answer_or_count(self, kept: KeptPicture) -> bool:
        """Answer a picture; return whether that went well, and count it if not."""
        try:
            self._answer(kept)
        except Exception as error:  # whatever a backend raises, the next picture may succeed
            self.of_camera[kept.camera].failed(self._drop_reason(error), described(error))
            return False
        return True

    def _answer(self, kept: KeptPicture) -> None:
        answers: Answers | None = None
        if self._model is not None:
            asked = self.asked.asked(kept.camera, kept.stamp_ns)
            self._model.keep_only(kept.camera, asked)
            answers = self._model.answer(kept, asked)
            kept.answers, kept.is_answered = KeptAnswers(answers), True
            self.asked.answered(kept.camera, tuple(answers), kept.stamp_ns)
            self._note(kept.camera, answers, is_all=True)
        self.memory.add(kept)
        self._feed.publish(self.picture(kept, answers))
        if kept.is_answered:
            for waiting in self._waiting.pop(kept.camera, ()):
                waiting.give(kept)

    def _note(self, camera: str, answers: Answers, is_all: bool) -> None:
        new = {active: PromptFigures.of(active, found) for active, found in answers.items()}
        before = {} if is_all else self.figures.get(camera, {})
        self.figures = {**self.figures, camera: {**before, **new}}

    def _drop_reason(self, error: Exception) -> DropReason:
        if not is_out_of_memory(error):
            return DropReason.INFERENCE_FAILED
        self.memory.clear()
        return DropReason.OUT_OF_MEMORY
