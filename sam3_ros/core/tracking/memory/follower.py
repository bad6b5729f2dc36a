"""Follows an object by the model's memory of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sam3_ros.core.bundle.manifest import InteractiveSettings, VideoSettings
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Mask, mask_bounds
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import CallTimings
from sam3_ros.core.tracking.follower import FollowerState, Sighting
from sam3_ros.core.tracking.mask_prompt import MaskPrompt
from sam3_ros.core.tracking.memory.choice import MemoryRules
from sam3_ros.core.tracking.memory.memory_masks import memory_mask
from sam3_ros.core.tracking.memory.object_memory import ObjectMemory, RememberedFrame
from sam3_ros.core.tracking.memory.stages import FrameAnswer, VideoStages
from sam3_ros.core.tracking.memory.whereabouts import Whereabouts
from sam3_ros.core.tracking.place import Place

NOT_SEEN = "the model does not see it"
EMPTY = "the model's mask of it is empty"
#: Of a segment whose mask was given.
_GIVEN_SCORE = 1.0


@dataclass(frozen=True, eq=False)
class MemoryState:
    """What is known of an object between two images."""

    memory: ObjectMemory
    whereabouts: Whereabouts

    @property
    def nbytes(self) -> int:
        """Bytes of the memory; those of the whereabouts do not count."""
        return self.memory.nbytes


class FollowsByMemory:
    """The Follower of a bundle with video stages. Objects share an image's features, nothing else.

    Objects are answered one by one, so that none changes another's numbers by a bit.
    """

    def __init__(
        self,
        interactive: InteractiveSettings,
        video: VideoSettings,
        timings: CallTimings,
        memory_frames: int | None = None,
    ) -> None:
        """memory_frames: attend to this many past frames beside the prompted ones, 1 at least."""
        self._stages = VideoStages(interactive, video)
        self._timings = timings
        self.rules = MemoryRules.of(video, memory_frames)

    def start(
        self, image: ImageEmbedding, frame: int, prompt: InteractivePrompt | MaskPrompt
    ) -> Sighting:
        """Answer a prompt on its image."""
        if isinstance(prompt, MaskPrompt):
            return self._given(image, frame, None, prompt.mask)
        answer = self._stages.prompted(image, prompt)
        if not answer.is_there:
            return Sighting(None, None, "the model sees no object there", gone=True)
        return self._shown(image, frame, None, answer)

    @property
    def taken_above(self) -> float | None:
        """What the bundle says of two objects in one place."""
        return self._stages.video.taken_above

    def follow(
        self, image: ImageEmbedding, frame: int, state: FollowerState, doubt: str = ""
    ) -> Sighting:
        """Find the object in the next image; not where the bundle says that it cannot be."""
        known = _own(state)
        feeds = known.memory.feeds(known.memory.attended(frame, self.rules), self.rules)
        answer = self._stages.tracked(image, self._stages.conditioned(image, feeds))
        place, video = None, self._stages.video
        segment, unseen = self._segment(image, answer)
        if answer.is_there and not doubt:
            doubt = known.whereabouts.doubt(answer.object_score, video)
        if segment is not None:
            place = Place.of(segment)
            doubt = doubt or known.whereabouts.objection(place, video)
        if doubt:
            answer = self._stages.disbelieved(image, answer)
        memory = self._with_memory(image, frame, known.memory, answer, prompted=False)
        if segment is None or place is None or doubt:
            return Sighting(
                None, MemoryState(memory, known.whereabouts.not_seen()), doubt or unseen
            )
        return Sighting(segment, MemoryState(memory, known.whereabouts.seen(place)))

    def correct(
        self, image: ImageEmbedding, frame: int, state: FollowerState, prompt: InteractivePrompt
    ) -> Sighting:
        """Answer clicks on an object, without its memories, as the original does.

        The answer to the same frame before them is the mask prompt, if it was the last. Of an
        earlier frame only the memory is made anew.
        """
        known = _own(state)
        before = known.memory.at(frame)
        logits = None if before is None else before.mask_logits
        return self._shown(image, frame, known, self._stages.prompted(image, prompt, logits))

    def renew(
        self, image: ImageEmbedding, frame: int, state: FollowerState, mask: Mask
    ) -> Sighting:
        """Take a mask, bool [H, W], for the object's outline in this image."""
        return self._given(image, frame, _own(state), mask)

    def saved(self, state: FollowerState) -> Mapping[str, Array]:
        """Return arrays from which `restored` makes the same state."""
        known = _own(state)
        return {**known.memory.saved(), **known.whereabouts.saved()}

    def restored(self, arrays: Mapping[str, Array]) -> MemoryState:
        """Return the state of these arrays. Raises BundleError for those of another follower."""
        return MemoryState(ObjectMemory.restored(arrays), Whereabouts.restored(arrays))

    def _given(
        self, image: ImageEmbedding, frame: int, known: MemoryState | None, mask: Mask
    ) -> Sighting:
        answer = self._stages.given(image, mask)
        before = ObjectMemory() if known is None else known.memory
        memory = self._with_memory(image, frame, before, answer, prompted=True)
        bounds, place = mask_bounds(mask), Place.of_mask(mask)
        if bounds is None or place is None:
            return _unseen(memory, known, EMPTY)
        where = (
            Whereabouts.where_shown(place) if known is None else known.whereabouts.renewed(place)
        )
        segment = Segment("", "", _GIVEN_SCORE, bounds, mask, bounds)
        return Sighting(segment, MemoryState(memory, where))

    def _shown(
        self, image: ImageEmbedding, frame: int, known: MemoryState | None, answer: FrameAnswer
    ) -> Sighting:
        before = ObjectMemory() if known is None else known.memory
        memory = self._with_memory(image, frame, before, answer, prompted=True)
        segment, unseen = self._segment(image, answer)
        if segment is None:
            return _unseen(memory, known, unseen)
        where = Whereabouts.where_shown(Place.of(segment))
        if known is not None and frame < known.memory.newest:
            where = known.whereabouts
        return Sighting(segment, MemoryState(memory, where))

    def _segment(self, image: ImageEmbedding, answer: FrameAnswer) -> tuple[Segment | None, str]:
        """Return what an answer shows, or why it shows nothing."""
        if not answer.is_there:
            return None, NOT_SEEN
        settings = self._stages.interactive
        with self._timings.measure("postprocess"):
            found = image.transform.found_in_source(
                answer.mask_logits, settings.mask_threshold, settings.mask_fit
            )
        if found.bounds is None:
            return None, EMPTY
        return Segment("", "", answer.iou, found.bounds, found.mask, found.bounds), ""

    def _with_memory(
        self,
        image: ImageEmbedding,
        frame: int,
        memory: ObjectMemory,
        answer: FrameAnswer,
        *,
        prompted: bool,
    ) -> ObjectMemory:
        with self._timings.measure("postprocess"):
            mask = memory_mask(answer.mask_logits, self._stages.video, prompted=prompted)
        remembered = self._stages.remembered(image, mask, [answer.object_score])[0]
        new = RememberedFrame(
            frame=frame,
            prompted=prompted,
            pointer=answer.pointer,
            memory=np.ascontiguousarray(remembered),
            mask_logits=answer.mask_logits,
            quality=answer.quality,
        )
        return memory.added(new, self.rules)


def _own(state: FollowerState) -> MemoryState:
    if not isinstance(state, MemoryState):
        raise TypeError(f"a state of this follower is a MemoryState, got {type(state).__name__}")
    return state


def _unseen(memory: ObjectMemory, known: MemoryState | None, reason: str) -> Sighting:
    """Return that a prompt shows nothing: of an object that is known the memory stays."""
    if known is None:
        return Sighting(None, None, reason, gone=True)
    return Sighting(None, MemoryState(memory, known.whereabouts.not_seen()), reason)
