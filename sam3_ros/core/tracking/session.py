"""Tracks the objects of one camera from image to image, each under an id of its own.

    tracking = segmenter.track()
    tracking.add(segmenter.encode_image(first), "red cube")
    for rgb in images:
        for segment in tracking.step(segmenter.encode_image(rgb)):
            print(segment.track.id, segment.track.state, segment.mask.sum())

States, ids and thresholds: docs/tracking.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Real

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.core.segmenter.phrases import required_phrases
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt
from sam3_ros.core.segmenter.segments import TrackStatus
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.answers import TrackedFrame
from sam3_ros.core.tracking.asking import Asking, Following
from sam3_ros.core.tracking.events import TrackEvent
from sam3_ros.core.tracking.kept import Kept, TrackedText, in_use
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.saving import restored, saved
from sam3_ros.core.tracking.settings import TrackingSettings
from sam3_ros.core.tracking.turn import Tools, Turn

Shown = InteractivePrompt | MaskPrompt


class TrackingSession:
    """The tracked objects of one stream of images; made by Segmenter.track.

    One thread at a time, the segmenter's. A call that raises leaves the session as it was, so the
    same image or the next may be tried. Every call raises ValueError for an image of another
    segmenter and after `close`, and InferenceError when a stage fails.
    """

    def __init__(
        self,
        asking: Asking,
        following: Following,
        settings: TrackingSettings,
        saved_arrays: Mapping[str, Array] | None = None,
    ) -> None:
        """saved_arrays: what `saved` returned. Raises BundleError for those of another bundle."""
        self._asking = asking
        self._following = following
        self._closed = False
        self.settings = settings
        self._kept = Kept()
        if saved_arrays is not None:
            self._kept = restored(saved_arrays, asking.bundle, self._tools.follower)

    @property
    def settings(self) -> TrackingSettings:
        """How it tracks; may be set between two images."""
        return self._settings

    @settings.setter
    def settings(self, settings: TrackingSettings) -> None:
        every = 1 if self._following.every_image else settings.redetect_every
        follower = self._following.follower(settings)
        self._tools = Tools(self._asking, follower, settings, every)
        self._settings = settings

    @property
    def tracks(self) -> tuple[TrackStatus, ...]:
        """The objects, in the order of their ids."""
        return tuple(each.track.status for each in self._kept.objects.values())

    @property
    def prompt_ids(self) -> tuple[str, ...]:
        """The ids of the prompts that have objects or are looked for."""
        of_objects = (each.track.prompt_id for each in self._kept.objects.values())
        return tuple(dict.fromkeys([*self._kept.texts, *of_objects]))

    @property
    def nbytes(self) -> int:
        """Bytes kept of all objects, on the host and on devices; from any thread."""
        return sum(each.track.nbytes for each in self._kept.objects.values())

    def add(
        self,
        image: ImageEmbedding,
        prompt: ConceptPrompt | InteractivePrompt | MaskPrompt | str,
        score_threshold: float | None = None,
    ) -> TrackedFrame:
        """Track what a prompt asks for, and answer it on this image: the new objects alone.

        A text, or several that semicolons separate, is looked for from now on; score_threshold
        replaces the bundle's for it. A text with boxes or points, or boxes alone, tracks what these
        show in this image, starts no object later, and ends with its last. Points, a box or a mask
        show one object.

        The image may be the one of the last `step`, or one before or after it. An object that is
        not there, or for which there is no room, is an event "refused" with the reason.

        Raises PromptError as `Segmenter.ask`, for a text whose id is tracked already, and for an
        image of another size than that of the objects there are.
        """
        self._require(image, score_threshold)
        self._require_same_size(image)
        asked = [self._askable(image, each) for each in _prompts_of(prompt)]
        with self._asking.timings.of_call() as timings:
            turn = Turn(self._tools, self._kept, image)
            ids: list[int] = []
            for each in asked:
                if isinstance(each, ConceptPrompt):
                    ids += self._add_text(turn, image, each, score_threshold)
                else:
                    ids += turn.show(each)
        self._kept = turn.kept()
        return turn.answer(timings.as_dict(), ids)

    def step(self, image: ImageEmbedding, score_threshold: float | None = None) -> TrackedFrame:
        """Answer the next image: all objects of all prompts.

        score_threshold: of all texts in this image, in place of those they were added with. An
        image of another size ends all objects, and texts are looked for anew. The image of the last
        `step` is answered as before; what was added on it is among the answers.
        """
        self._require(image, score_threshold)
        with self._asking.timings.of_call() as timings:
            turn = Turn(self._tools, self._kept, image)
            turn.step(score_threshold)
        self._kept = turn.kept()
        return turn.answer(timings.as_dict())

    def correct(
        self, track_id: int, image: ImageEmbedding, prompt: InteractivePrompt
    ) -> TrackedFrame:
        """Show an object anew by points or a box, on its last image or the next one.

        The answer has this object alone. It is confirmed then. Where nothing is found it stays as
        it was, with an event "refused". Raises PromptError for an id that is not tracked.
        """
        self._require(image, None)
        self._require_tracked(track_id)
        if not isinstance(prompt, InteractivePrompt):
            raise PromptError(f"a correction needs points or a box, got {type(prompt).__name__}")
        asked = self._asking.askable(image, prompt)
        assert isinstance(asked, InteractivePrompt)
        self._require_same_size(image)
        with self._asking.timings.of_call() as timings:
            turn = Turn(self._tools, self._kept, image)
            turn.correct(track_id, asked)
        self._kept = turn.kept()
        return turn.answer(timings.as_dict(), [track_id])

    def remove(self, track_id: int, reason: str = "removed") -> tuple[TrackEvent, ...]:
        """End an object; return what happened. Raises PromptError for an id that is not tracked.

        The text of its prompt is still looked for, and may find it anew under another id.
        """
        self._require_open()
        self._require_tracked(track_id)
        return self._end([track_id], reason, self._kept.texts)

    def remove_prompt(self, prompt_id: str, reason: str = "removed") -> tuple[TrackEvent, ...]:
        """End all objects of a prompt and look for it no more; return what happened.

        Raises PromptError for a prompt that is not tracked (see `prompt_ids`).
        """
        self._require_open()
        if prompt_id not in self.prompt_ids:
            live = ", ".join(map(repr, self.prompt_ids)) or "none"
            raise PromptError(f"no prompt {prompt_id!r} is tracked; those tracked: {live}")
        objects = self._kept.objects.items()
        ids = [number for number, each in objects if each.track.prompt_id == prompt_id]
        texts = {name: text for name, text in self._kept.texts.items() if name != prompt_id}
        return self._end(ids, reason, texts)

    def restart(self, reason: str) -> tuple[TrackEvent, ...]:
        """End all objects, as where the images are no longer those of one scene.

        Texts are looked for anew in the next image, under new ids. Return what happened.
        """
        self._require_open()
        texts = self._kept.texts.items()
        anew = {name: text.asked_anew for name, text in texts if text.starts}
        return self._end(list(self._kept.objects), reason, anew)

    def saved(self) -> dict[str, Array]:
        """Return the session as arrays, for numpy.savez or as they are; see `Segmenter.track`."""
        self._require_open()
        return saved(self._kept, self._asking.bundle, self._tools.follower)

    def close(self) -> None:
        """Forget everything; closing twice is allowed."""
        self._kept = Kept()
        self._closed = True

    def _add_text(
        self,
        turn: Turn,
        image: ImageEmbedding,
        prompt: ConceptPrompt,
        score_threshold: float | None,
    ) -> list[int]:
        found = self._asking.detect(image, [prompt], [score_threshold])[0]
        shown = bool(prompt.exemplars or prompt.points)
        later = prompt
        if shown and prompt.text is not None:
            later = ConceptPrompt(prompt.text, id=prompt.id, label=prompt.label)
        threshold = None if score_threshold is None else float(score_threshold)
        text = TrackedText(later, threshold, starts=not shown)
        return turn.ask(text, found, shown=shown)

    def _askable(
        self, image: ImageEmbedding, prompt: ConceptPrompt | Shown
    ) -> ConceptPrompt | Shown:
        if isinstance(prompt, MaskPrompt):
            if prompt.mask.shape != image.size:
                height, width = prompt.mask.shape
                raise PromptError(
                    f"prompt {prompt.id!r}: the mask is of {width}x{height} px and the image of "
                    f"{image.size.width}x{image.size.height} px"
                )
            around = InteractivePrompt(box=mask_bounds(prompt.mask), id=prompt.id)
            self._asking.askable(image, around)
            return prompt
        asked = self._asking.askable(image, prompt)
        if isinstance(asked, ConceptPrompt) and asked.id in self.prompt_ids:
            raise PromptError(
                f"prompt {asked.id!r} is tracked already: remove_prompt it first, or give another "
                "id"
            )
        return asked

    def _end(
        self, ids: Iterable[int], reason: str, texts: Mapping[str, TrackedText]
    ) -> tuple[TrackEvent, ...]:
        ended = dict.fromkeys(ids)
        objects = self._kept.objects.items()
        left = {number: each for number, each in objects if number not in ended}
        events = tuple(
            each.track.event("ended", reason) for number, each in objects if number in ended
        )
        self._kept = replace(self._kept, objects=left, texts=in_use(texts, left))
        return events

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError("the session is closed: start another with Segmenter.track")

    def _require(self, image: ImageEmbedding, score_threshold: float | None) -> None:
        self._require_open()
        self._asking.require_own(image)
        if score_threshold is None:
            return
        if not isinstance(score_threshold, Real) or not 0 <= score_threshold <= 1:
            raise PromptError(f"a score threshold must be in 0..1, got {score_threshold}")

    def _require_same_size(self, image: ImageEmbedding) -> None:
        before, now = self._kept.size, image.size
        if self._kept.objects and before is not None and before != now:
            raise PromptError(
                f"the image is of {now.width}x{now.height} px, and objects are tracked in images "
                f"of {before.width}x{before.height} px: step on it first, which ends them"
            )

    def _require_tracked(self, track_id: int) -> None:
        if track_id not in self._kept.objects:
            live = ", ".join(map(str, self._kept.objects)) or "none"
            raise PromptError(f"no object {track_id} is tracked; those tracked: {live}")


def _prompts_of(
    given: ConceptPrompt | InteractivePrompt | MaskPrompt | str,
) -> list[ConceptPrompt | Shown]:
    if isinstance(given, str):
        return [ConceptPrompt(phrase) for phrase in required_phrases(given)]
    if not isinstance(given, (ConceptPrompt, InteractivePrompt, MaskPrompt)):
        raise PromptError(
            "expected a text, a ConceptPrompt, an InteractivePrompt or a MaskPrompt, got "
            f"{type(given).__name__}"
        )
    return [given]
