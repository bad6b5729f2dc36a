# ruff: noqa: ARG002 - the seam gives the camera and the stamp, which are the picture's own
"""A picture that stays for one viewer, with prompts of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.checks import require_capability
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.drawing.answered_picture import AnsweredPicture
from sam3_ros.look.drawing.frame_files import frame_files
from sam3_ros.look.library.answerer import PictureAnswerer
from sam3_ros.look.library.asked_prompts import PromptFigures, free_name, listed_prompt
from sam3_ros.look.library.inference_thread import InferenceThread
from sam3_ros.look.library.kept_pictures import KeptPicture
from sam3_ros.look.library.live_asking import (
    NOTHING_THERE,
    checked_label,
    checked_score,
    prompts_of_phrases,
)
from sam3_ros.look.library.marked_prompt import (
    kind_of_marks,
    moved_to,
    prompt_of_marks,
    required_marks,
    with_marks,
)
from sam3_ros.look.library.verdicts import as_verdict, ended_verdict
from sam3_ros.look.viewing import (
    FrameFiles,
    ListedPrompt,
    Marks,
    PictureStamp,
    Verdict,
    View,
    ViewedPicture,
)
from sam3_ros.ros.prompts.active import ActivePrompt
from sam3_ros.ros.prompts.label_values import label_values
from sam3_ros.ros.prompts.requests import Source, shortened


@dataclass(frozen=True, eq=False)
class HeldAnswer:
    """A prompt of a held picture, and what it found there."""

    active: ActivePrompt
    #: What people read.
    label: str
    found: tuple[Segment, ...]
    #: Whether its marks lie on this picture.
    is_placed_here: bool


class HeldByLibrary:
    """A HeldPicture. What changes it runs on the inference thread."""

    def __init__(
        self,
        kept: KeptPicture,
        answers: Sequence[HeldAnswer],
        view: View,
        threshold: float,
        model: PictureAnswerer,
        thread: InferenceThread,
        on_use: Callable[[KeptPicture], None],
        on_release: Callable[[], None],
    ) -> None:
        """On the inference thread.

        kept: a picture that nobody else changes. on_use: is told whenever its features are used.
        """
        self._kept = kept
        self._view = view
        self._threshold = threshold
        self._model = model
        self._thread = thread
        self._on_use = on_use
        on_use(kept)
        self._on_release: Callable[[], None] | None = on_release
        # Replaced as a whole, so that readers need no lock.
        self._answers: Mapping[str, HeldAnswer] = {each.active.prompt.id: each for each in answers}
        self._answered = self._drawn_anew()
        self._picture = self._answered.viewed(view)

    @property
    def picture(self) -> ViewedPicture:
        return self._picture

    def prompts(self) -> tuple[ListedPrompt, ...]:
        return tuple(
            listed_prompt(each.active, each.label, PromptFigures.of(each.active, each.found))
            for each in self._answers.values()
        )

    def show(self, view: View) -> Future[ViewedPicture]:
        def run() -> ViewedPicture:
            self._view = view
            self._picture = self._answered.viewed(view)
            return self._picture

        return self._thread.submit(run)

    def files(self) -> Future[FrameFiles]:
        def run() -> FrameFiles:
            name = self._model.segmenter.bundle.manifest.name
            prompts = [(each.active.prompt, each.label) for each in self._answers.values()]
            return frame_files(self._answered, prompts, name)

        return self._thread.submit(run)

    def release(self) -> None:
        on_release, self._on_release = self._on_release, None
        if on_release is not None:
            on_release()

    def ask_texts(self, phrases: tuple[str, ...], camera: str = "") -> Future[Verdict]:
        return self._change(lambda: self._ask_texts(phrases))

    def ask_marks(
        self,
        camera: str,
        stamp: PictureStamp,
        marks: Marks,
        prompt_id: str = "",
        follow: bool = True,
    ) -> Future[Verdict]:
        return self._change(lambda: self._ask_marks(marks, prompt_id))

    def rename(self, prompt_id: str, camera: str, label: str) -> Future[Verdict]:
        def run() -> Verdict:
            held = self._find(prompt_id)
            self._keep(replace(held, label=checked_label(held.active, label)))
            return Verdict(True, prompt_ids=(prompt_id,))

        return self._change(run)

    def remove(self, prompt_id: str, camera: str) -> Future[Verdict]:
        def run() -> Verdict:
            self._find(prompt_id)
            self._answers = {k: each for k, each in self._answers.items() if k != prompt_id}
            return Verdict(True, prompt_ids=(prompt_id,))

        return self._change(run)

    def set_threshold(self, score: float) -> Future[Verdict]:
        return self._change(lambda: self._set_threshold(score))

    def _ask_texts(self, phrases: Sequence[str]) -> Verdict:
        segmenter = self._model.segmenter
        prompts = prompts_of_phrases(phrases)
        warnings: dict[str, None] = {}
        for prompt in prompts:
            require_capability(prompt, segmenter.bundle.manifest)
            warnings |= dict.fromkeys(segmenter.warnings(prompt))
        for prompt in prompts:
            if prompt.id not in self._answers:
                self._ask(prompt)
        return Verdict(True, "", tuple(warnings), tuple(prompt.id for prompt in prompts))

    def _ask_marks(self, marks: Marks, prompt_id: str) -> Verdict:
        if not prompt_id:
            name = free_name(kind_of_marks(marks), self._answers)
            prompt: InteractivePrompt = prompt_of_marks(marks, name)
        else:
            held = self._find(prompt_id)
            before = required_marks(held.active.prompt)
            seen = [each for each in held.found if each.bounds is not None]
            if not held.is_placed_here and seen:
                before = moved_to(before, seen[0])
            prompt = with_marks(before, prompt_of_marks(marks, prompt_id))
        found = self._ask(prompt)
        warnings = self._model.segmenter.warnings(prompt, self._kept.size)
        told = warnings if found else (*warnings, NOTHING_THERE)
        return Verdict(True, "", told, (prompt.id,))

    def _set_threshold(self, score: float) -> Verdict:
        self._threshold = checked_score(score)
        for held in tuple(self._answers.values()):
            if isinstance(held.active.prompt, ConceptPrompt):
                self._ask(held.active.prompt)
        return Verdict(True)

    def _ask(self, prompt: Prompt) -> tuple[Segment, ...]:
        """Ask it of the picture, in place of what has its id. Raises PromptError."""
        before = self._answers.get(prompt.id)
        values = {each.active.prompt.id: each.active.label_value for each in self._answers.values()}
        value = label_values(values, [*values, prompt.id])[prompt.id]
        active = ActivePrompt(prompt, Source.SET, value, self._kept.camera or None)
        self._on_use(self._kept)
        found = self._model.answer_still(self._kept, [active], self._threshold)[active]
        label = prompt.label if before is None else before.label
        self._keep(HeldAnswer(active, label, found, is_placed_here=True))
        return found

    def _find(self, prompt_id: str) -> HeldAnswer:
        if prompt_id not in self._answers:
            raise PromptError(f"the prompt {shortened(prompt_id)!r} is not asked any more")
        return self._answers[prompt_id]

    def _keep(self, held: HeldAnswer) -> None:
        self._answers = {**self._answers, held.active.prompt.id: held}

    def _drawn_anew(self) -> AnsweredPicture:
        kept, answers = self._kept, self._answers.values()
        found = [replace(segment, label=each.label) for each in answers for segment in each.found]
        values = {each.active.prompt.id: each.active.label_value for each in answers}
        return AnsweredPicture.of(kept.camera, kept.stamp_ns, kept.rgb, found, values)

    def _change(self, run: Callable[[], Verdict]) -> Future[Verdict]:
        def changed() -> Verdict:
            verdict = as_verdict(run)
            if verdict.accepted:
                self._answered = self._drawn_anew()
                self._picture = self._answered.viewed(self._view)
            return verdict

        return self._thread.submit(changed, if_ended=ended_verdict)
