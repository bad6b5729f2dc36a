"""Asks the model what is asked of a picture: still pictures, and those that follow one another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.look.library.kept_pictures import KeptPicture
from sam3_ros.look.library.settings import AnswerSettings
from sam3_ros.ros.frames.kept_answers import Answers
from sam3_ros.ros.frames.tracks import Moment, TrackedAnswer, TrackedPrompts
from sam3_ros.ros.prompts.active import ActivePrompt

#: Takes a camera, a prompt that is not asked of it any more, and why.
OnEnd = Callable[[str, ActivePrompt, str], None]


class PictureAnswerer:
    """Answers pictures; for the inference thread alone.

    Every call raises InferenceError when the model fails.
    """

    def __init__(
        self, segmenter: Segmenter, settings: Callable[[], AnswerSettings], on_end: OnEnd
    ) -> None:
        self.segmenter = segmenter
        self._settings = settings
        self._on_end = on_end
        self._tracks = TrackedPrompts(segmenter, settings)

    def encoded(self, kept: KeptPicture) -> ImageEmbedding:
        """Return the picture's features, which are computed once."""
        if kept.embedding is None:
            kept.embedding = self.segmenter.encode_image(kept.rgb)
        return kept.embedding

    def answer(self, kept: KeptPicture, asked: Sequence[ActivePrompt]) -> Answers:
        """Answer a camera's next picture, or the same one again: only what is new is computed."""
        threshold = self._settings().score_threshold
        earlier = kept.answers.of(lambda each: each in asked and not each.tracking)
        if kept.threshold != threshold:
            earlier = {
                each: found
                for each, found in earlier.items()
                if not isinstance(each.prompt, ConceptPrompt)
            }
        new = [each for each in asked if not each.tracking and each not in earlier]
        answers = {**earlier, **self._untracked(kept, new)}
        tracked = [each for each in asked if each.tracking]
        if tracked:
            tracks = self._tracks.of(kept.camera)
            answers |= self._ending(kept, tracks.answer(self.encoded(kept), _at(kept), tracked))
        kept.threshold = threshold
        return {active: answers[active] for active in asked if active in answers}

    def answer_beside(self, kept: KeptPicture, new: ActivePrompt) -> tuple[Answers, str]:
        """Answer one prompt more on a picture; followed, it goes on in the camera's next picture.

        Return its answer, or nothing and why not.
        """
        if not new.tracking:
            self.segmenter.check(self.encoded(kept), new.prompt)
            return self._untracked(kept, [new]), ""
        tracks = self._tracks.of(kept.camera)
        found = tracks.answer_earlier(self.encoded(kept), _at(kept), [new])
        return found.answers, found.ended.get(new, "")

    def answer_still(
        self, kept: KeptPicture, asked: Sequence[ActivePrompt], threshold: float
    ) -> Answers:
        """Answer prompts on a picture that stays, without following.

        Raises PromptError for what the picture cannot be asked.
        """
        image = self.encoded(kept)
        prompts = [each.prompt for each in asked]
        segments = self.segmenter.ask(image, prompts, threshold or None)
        return dict(zip(asked, segments.by_prompt, strict=True))

    def correct(
        self, kept: KeptPicture, track_id: int, marks: InteractivePrompt
    ) -> tuple[Segment, ...]:
        """Show a followed object anew. Raises PromptError where the marks show nothing."""
        tracks = self._tracks.of(kept.camera)
        return tracks.correct(self.encoded(kept), track_id, marks)

    def keep_only(self, camera: str, asked: Collection[ActivePrompt]) -> None:
        """End the objects of a camera's prompts that are not asked any more."""
        if (tracks := self._tracks.if_any(camera)) is not None:
            tracks.keep_only(asked)

    def restart(self, camera: str, why: str) -> None:
        """End all objects of a camera; texts find theirs anew."""
        if (tracks := self._tracks.if_any(camera)) is None:
            return
        tracks.restart(why)
        for active, reason in tracks.cut().items():
            self._on_end(camera, active, reason)

    def _untracked(self, kept: KeptPicture, asked: Sequence[ActivePrompt]) -> Answers:
        """Answer those that fit the picture, several texts at once; the others end."""
        fitting: list[ActivePrompt] = []
        for active in asked:
            try:
                self.segmenter.check(self.encoded(kept), active.prompt)
            except PromptError as error:  # noqa: PERF203
                self._on_end(kept.camera, active, str(error))
            else:
                fitting.append(active)
        if not fitting:
            return {}
        return self.answer_still(kept, fitting, self._settings().score_threshold)

    def _ending(self, kept: KeptPicture, found: TrackedAnswer) -> Answers:
        for active, reason in found.ended.items():
            self._on_end(kept.camera, active, reason)
        return found.answers


def _at(kept: KeptPicture) -> Moment:
    return Moment(kept.stamp_ns, kept.received)
