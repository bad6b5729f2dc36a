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

NOT_SEEN = "the model does not see it"
EMPTY = "the model's mask of it is empty"
#: Of a segment whose mask was given.
_GIVEN_SCORE = 1.0


@dataclass(frozen=True, eq=False)
class MemoryState:
    """What is known of an object between two images."""

    memory: ObjectMemory

    @property
    def nbytes(self) -> int:
        """Bytes of the memory."""
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
            return self._given(image, frame, ObjectMemory(), prompt.mask)
        answer = self._stages.prompted(image, prompt)
        if not answer.is_there:
            return Sighting(None, None, "the model sees no object there", gone=True)
        return self._remembered(image, frame, ObjectMemory(), answer, prompted=True)

    def follow(self, image: ImageEmbedding, frame: int, state: FollowerState) -> Sighting:
        """Find the object in the next image."""
        memory = _memory(state)
        feeds = memory.feeds(memory.attended(frame, self.rules), self.rules)
        answer = self._stages.tracked(image, self._stages.conditioned(image, feeds))
        return self._remembered(image, frame, memory, answer, prompted=False)

    def correct(
        self, image: ImageEmbedding, frame: int, state: FollowerState, prompt: InteractivePrompt
    ) -> Sighting:
        """Answer clicks on an object, without its memories, as the original does.

        The answer to the same frame before them is the mask prompt, if it was the last. Of an
        earlier frame only the memory is made anew.
        """
        memory = _memory(state)
        before = memory.at(frame)
        logits = None if before is None else before.mask_logits
        answer = self._stages.prompted(image, prompt, logits)
        return self._remembered(image, frame, memory, answer, prompted=True)

    def renew(
        self, image: ImageEmbedding, frame: int, state: FollowerState, mask: Mask
    ) -> Sighting:
        """Take a mask, bool [H, W], for the object's outline in this image."""
        return self._given(image, frame, _memory(state), mask)

    def saved(self, state: FollowerState) -> Mapping[str, Array]:
        """Return arrays from which `restored` makes the same state."""
        return _memory(state).saved()

    def restored(self, arrays: Mapping[str, Array]) -> MemoryState:
        """Return the state of these arrays. Raises BundleError for those of another follower."""
        return MemoryState(ObjectMemory.restored(arrays))

    def _given(
        self, image: ImageEmbedding, frame: int, memory: ObjectMemory, mask: Mask
    ) -> Sighting:
        answer = self._stages.given(image, mask)
        state = self._with_memory(image, frame, memory, answer, prompted=True)
        bounds = mask_bounds(mask)
        if bounds is None:
            return Sighting(None, state, EMPTY)
        return Sighting(Segment("", "", _GIVEN_SCORE, bounds, mask, bounds), state)

    def _remembered(
        self,
        image: ImageEmbedding,
        frame: int,
        memory: ObjectMemory,
        answer: FrameAnswer,
        *,
        prompted: bool,
    ) -> Sighting:
        state = self._with_memory(image, frame, memory, answer, prompted=prompted)
        if not answer.is_there:
            return Sighting(None, state, NOT_SEEN)
        settings = self._stages.interactive
        with self._timings.measure("postprocess"):
            found = image.transform.found_in_source(
                answer.mask_logits, settings.mask_threshold, settings.mask_fit
            )
        if found.bounds is None:
            return Sighting(None, state, EMPTY)
        return Sighting(Segment("", "", answer.iou, found.bounds, found.mask, found.bounds), state)

    def _with_memory(
        self,
        image: ImageEmbedding,
        frame: int,
        memory: ObjectMemory,
        answer: FrameAnswer,
        *,
        prompted: bool,
    ) -> MemoryState:
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
        return MemoryState(memory.added(new, self.rules))


def _memory(state: FollowerState) -> ObjectMemory:
    if not isinstance(state, MemoryState):
        raise TypeError(f"a state of this follower is a MemoryState, got {type(state).__name__}")
    return state.memory
