"""What viewers ask of the live pictures and change in it; on the inference thread.

Every method returns what became of it, or raises PromptError with the reason why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.checks import require_capability
from sam3_ros.core.segmenter.phrases import required_phrases
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.library.kept_pictures import KeptPicture
from sam3_ros.look.library.live_pictures import LivePictures
from sam3_ros.look.library.marked_prompt import (
    kind_of_marks,
    moved_to,
    prompt_of_marks,
    required_marks,
    with_marks,
)
from sam3_ros.look.library.settings import AnswerSettings
from sam3_ros.look.viewing import Marks, Verdict
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.label_values import require_label_values
from sam3_ros.ros.prompts.requests import PromptRequest

NOTHING_THERE = "nothing was found there"
_STILL = "a photo does not move, so there is nothing to follow"


class LiveAsking:
    """Asks and changes."""

    def __init__(self, live: LivePictures) -> None:
        self.settings = AnswerSettings()
        self._live = live
        self._asked = live.asked

    def texts(self, phrases: Sequence[str], camera: str) -> Verdict:
        """Ask texts beside what is asked; one that is asked already stays as it is."""
        self._asked.require_camera(camera)
        prompts = prompts_of_phrases(phrases)
        segmenter = self._live.model.segmenter
        for prompt in prompts:
            require_capability(prompt, segmenter.bundle.manifest)
        warnings: dict[str, None] = {}
        for prompt in prompts:
            self._ask_text(prompt, camera)
            warnings |= dict.fromkeys(segmenter.warnings(prompt))
        return Verdict(True, "", tuple(warnings), tuple(prompt.id for prompt in prompts))

    def marks(
        self, camera: str, stamp_ns: int, marks: Marks, prompt_id: str, follow: bool
    ) -> Verdict:
        """Ask for the object at marks on one picture, or add them to those of a prompt."""
        self._asked.require_camera(camera)
        kept = self._live.required(camera, stamp_ns)
        if not prompt_id:
            name = self._asked.free_id(kind_of_marks(marks))
            return self._start(kept, prompt_of_marks(marks, name), follow)
        before = self._asked.find(prompt_id, camera)
        all_marks = with_marks(self._marks_on(kept, before), prompt_of_marks(marks, prompt_id))
        if before.is_followed and not self._asked.is_frozen(before):
            return self._correct(kept, before, all_marks)
        return self._start(kept, all_marks, before.tracking, before)

    def rename(self, prompt_id: str, camera: str, label: str) -> Verdict:
        """Let people read another name."""
        active = self._asked.find(prompt_id, camera)
        self._asked.rename(active, checked_label(active, label))
        return Verdict(True, prompt_ids=(prompt_id,))

    def remove(self, prompt_id: str, camera: str) -> Verdict:
        """Stop asking it."""
        self._asked.remove(self._asked.find(prompt_id, camera))
        return Verdict(True, prompt_ids=(prompt_id,))

    def threshold(self, score: float) -> Verdict:
        """Set the lowest score of texts."""
        self.settings = replace(self.settings, score_threshold=checked_score(score))
        return Verdict(True)

    def freeze(self, prompt_id: str, camera: str, on: bool) -> Verdict:
        """Stop asking it but keep it, or ask it again: marks then mean the newest picture."""
        active = self._asked.find(prompt_id, camera)
        if on or not active.is_followed:
            self._asked.freeze(active, on)
            return Verdict(True, prompt_ids=(prompt_id,))
        marks = required_marks(active.prompt)
        return self._start(self._newest(active), marks, active.tracking, active)

    def follow(self, prompt_id: str, camera: str, on: bool) -> Verdict:
        """Follow what it finds, or leave it where it is."""
        active = self._asked.find(prompt_id, camera)
        if on and not self._live.follows:
            raise PromptError(_STILL)
        if active.tracking == on:
            return Verdict(True, prompt_ids=(prompt_id,))
        if isinstance(active.prompt, ConceptPrompt):
            is_frozen = self._asked.is_frozen(active)
            new = self._asked.put(PromptRequest(active.prompt, active.camera, tracking=on))
            self._asked.freeze(new, is_frozen)
            return Verdict(True, prompt_ids=(prompt_id,))
        kept = self._newest(active)
        prompt = active.prompt
        seen = [each for each in self._shown(kept, active) if each.bounds is not None]
        if not on and seen:
            prompt = moved_to(prompt, seen[0])
        return self._start(kept, prompt, on, active)

    def _ask_text(self, prompt: ConceptPrompt, camera: str) -> None:
        try:
            active = self._asked.find(prompt.id, camera)
        except PromptError:
            self._asked.put(PromptRequest(prompt, self._asked.key_camera(camera)))
        else:
            self._asked.freeze(active, False)

    def _start(
        self,
        kept: KeptPicture,
        prompt: InteractivePrompt,
        follow: bool,
        before: ActivePrompt | None = None,
    ) -> Verdict:
        """Ask for an object that is shown on this picture, in place of what was asked before."""
        model = self._live.model
        segmenter = model.segmenter
        require_capability(prompt, segmenter.bundle.manifest)
        segmenter.check(model.encoded(kept), prompt)
        camera = self._asked.key_camera(kept.camera)
        follow = follow and self._live.follows
        pins = {kept.camera: kept.stamp_ns}
        was_frozen = before is not None and self._asked.is_frozen(before)
        active = self._asked.put(PromptRequest(prompt, camera, tracking=follow, pins=pins))
        try:
            answers, why_not = model.answer_beside(kept, active)
            if active not in answers:
                raise PromptError(why_not or NOTHING_THERE)
        except Exception:
            self._undo(active, before, was_frozen)
            raise
        self._asked.place(active, prompt, kept.stamp_ns)
        self._live.add_answer(kept, active, answers[active])
        warnings = segmenter.warnings(prompt, kept.size)
        if not answers[active]:
            warnings = (*warnings, NOTHING_THERE)
        return Verdict(True, "", warnings, (prompt.id,))

    def _undo(self, active: ActivePrompt, before: ActivePrompt | None, was_frozen: bool) -> None:
        """Ask what was asked before; an object that was followed is not, by now."""
        if before is None or (before.is_followed and not was_frozen):
            self._asked.remove(active)
            return
        request = PromptRequest(before.prompt, before.camera, tracking=before.tracking)
        self._asked.freeze(self._asked.put(request), was_frozen)

    def _correct(
        self, kept: KeptPicture, active: ActivePrompt, marks: InteractivePrompt
    ) -> Verdict:
        """Show a followed object anew; it keeps its id."""
        tracks = [each.track for each in self._shown(self._newest(active), active)]
        if not tracks or tracks[0] is None:
            raise PromptError(f"{active.prompt.id!r} is not followed any more: mark it anew")
        found = self._live.model.correct(kept, tracks[0].id, marks)
        self._asked.place(active, marks, kept.stamp_ns)
        self._live.add_answer(kept, active, found)
        return Verdict(True, prompt_ids=(active.prompt.id,))

    def _marks_on(self, kept: KeptPicture, active: ActivePrompt) -> InteractivePrompt:
        """Return marks for a prompt's object on this picture. Raises PromptError for a text."""
        placed = self._asked.placed(active)
        marks = required_marks(active.prompt) if placed is None else placed.marks
        if self._asked.is_placed_on(active, kept.stamp_ns):
            return marks
        seen = [each for each in self._shown(kept, active) if each.bounds is not None]
        if not seen:
            raise PromptError(
                f"{active.prompt.id!r} is not seen in that picture, so there is nothing to "
                "correct: mark the object as a new one"
            )
        return moved_to(marks, seen[0])

    def _newest(self, active: ActivePrompt) -> KeptPicture:
        camera = active.camera or self._asked.only_camera
        kept = self._live.memory.newest(camera)
        if kept is None:
            raise PromptError("there is no picture yet: wait for one")
        return kept

    def _shown(self, kept: KeptPicture, active: ActivePrompt) -> tuple[Segment, ...]:
        return kept.answers.of(lambda each: each is active).get(active, ())


def prompts_of_phrases(phrases: Sequence[str]) -> tuple[ConceptPrompt, ...]:
    """Return a prompt for each phrase, each once. Raises PromptError."""
    apart = dict.fromkeys(phrase for given in phrases for phrase in required_phrases(given))
    if not apart:
        required_phrases("")
    require_label_values(len(apart))
    return tuple(map(ConceptPrompt, apart))


def checked_score(score: float) -> float:
    """Return a score. Raises PromptError for what is none."""
    if not 0 <= score <= 1:
        raise PromptError(f"a score threshold must be in 0..1, got {score:g}")
    return float(score)


def checked_label(active: ActivePrompt, label: str) -> str:
    """Return what people are to read, without odd white space. Raises PromptError."""
    words = " ".join(label.split())
    if not words:
        raise PromptError("a name must not be blank")
    return replace(active.prompt, label=words).label
