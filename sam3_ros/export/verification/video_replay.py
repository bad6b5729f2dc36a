"""Tracks a reference video as the original's code did, with the stages and memory of the runtime.

The original keeps objects that were shown before it tracks in one batch (a group), which share
their prompted frames; it keeps every answer, and copies of each object's own for clicks. Source:
facebookresearch/sam3, sam3/model/sam3_tracking_predictor.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.masks import Floats, Mask
from sam3_ros.core.stages.graph import StageGraph, as_array
from sam3_ros.core.stages.session import Array
from sam3_ros.core.tracking.memory.choice import Attended, MemoryRules
from sam3_ros.core.tracking.memory.memory_masks import (
    ABSENT,
    cut_logits,
    given_mask,
    mask_values,
    memory_masks,
)
from sam3_ros.core.tracking.memory.object_memory import ObjectMemory, RememberedFrame
from sam3_ros.core.tracking.memory.stages import NONE_CHOSEN, FrameAnswer, VideoStages
from sam3_ros.export.verification.reference_figure import beyond_half_precision
from sam3_ros.export.verification.video_case import PromptStep, TrackStep, VideoCase
from sam3_ros.export.verification.video_frames import video_frame, video_mask
from sam3_ros.export.verification.video_group import CutMask, TrackedGroup
from sam3_ros.export.verification.video_pixels import (
    PixelSettling,
    Seen,
    stored_part,
    undecided_in,
)

_KEPT_IMAGES = 10
#: The score of an object in a frame where another one of its group was shown.
_SCORE_WITHOUT_ANSWER = 10.0
# Where a prompt's logits are farther, rounding of earlier frames decides too many pixels.
_OWN_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Replayed:
    """One object in one frame."""

    kind: str
    frame: int
    obj: int
    answer: FrameAnswer
    #: None where no memory was used.
    attended: Attended | None
    #: f32[D,g,g], the features that were conditioned on the memories.
    conditioned: Array | None = None
    #: f32[m,g,g], of a tracked frame.
    memory: Array | None = None


class VideoReplay:
    """Replays cases with the stages of one bundle."""

    def __init__(self, graph: StageGraph, manifest: Manifest) -> None:
        """manifest: of a bundle with stages for video."""
        assert manifest.interactive is not None
        assert manifest.video is not None
        self._graph = graph
        self._manifest = manifest
        self._video = manifest.video
        self._stages = VideoStages(manifest.interactive, manifest.video)
        self._pixels = PixelSettling(self._stages, manifest.video, self._seen, self._image)
        self._images: OrderedDict[tuple[int, int], ImageEmbedding] = OrderedDict()
        self._ends: dict[str, dict[int, TrackedGroup]] = {}
        self._row = 0
        #: Pixels of the last case that were cut the other way: rounding alone decides them.
        self.cut_otherwise = 0
        #: Prompts whose pixels were tried for it.
        self.prompts_tried = 0

    def ended(self, name: str) -> bool:
        """Return whether this case was replayed."""
        return name in self._ends

    def run(self, case: VideoCase, *, keep_end: bool = False) -> Iterator[Replayed]:
        """Yield every answer, in the case's order. keep_end: other cases continue this one."""
        before = self._ends.get(case.continues, {})
        groups = {number: group.copied() for number, group in before.items()}
        self._row = self.cut_otherwise = self.prompts_tried = 0
        for step in case.steps:
            group = groups.setdefault(step.group, TrackedGroup())
            if isinstance(step, PromptStep):
                yield self._shown(case, group, step)
                self._row += 1
            else:
                yield from self._tracked(case, group, step)
        if keep_end:
            self._ends[case.name] = groups

    def _shown(self, case: VideoCase, group: TrackedGroup, step: PromptStep) -> Replayed:
        image = self._image(case, step.frame)
        key = (step.frame, step.obj)
        memory = group.objects.setdefault(step.obj, ObjectMemory())
        attended = conditioned = None
        if step.mask is not None:
            mask = video_mask(*step.mask)
            answer = self._stages.given(image, mask)
            self._take_pixels(group, step, mask, image)
        else:
            assert step.clicks is not None
            if step.with_memory and step.frame in group.visited:
                attended, feeds = self._with_own_memory(case.rules, group, memory, step.frame)
                conditioned = self._stages.conditioned(image, feeds)
            last = self._last_logits(group, *key)
            answer = self._stages.prompted(image, step.clicks, last, conditioned)
            group.masks.pop(key, None)
        group.pending[key] = answer
        if self._is_equal(case, answer):
            group.equal.add(key)
        else:
            group.equal.discard(key)
        return Replayed("prompt", step.frame, step.obj, answer, attended)

    def _with_own_memory(
        self, rules: MemoryRules, group: TrackedGroup, memory: ObjectMemory, frame: int
    ) -> tuple[Attended, dict[str, Array]]:
        """Return what clicks see of the frames before: an object's own copies, without quality."""
        own = ObjectMemory(
            tuple(
                replace(each, quality=0.0)
                for each in memory.frames
                if each.prompted or each.frame not in group.cleared
            )
        )
        attended = own.attended(frame, rules)
        return attended, own.feeds(attended, rules)

    def _last_logits(self, group: TrackedGroup, frame: int, obj: int) -> Floats | None:
        """Return the mask of the last answer to a frame that clicks see."""
        pending = group.pending.get((frame, obj))
        if pending is not None:
            return None if pending.chosen == NONE_CHOSEN else pending.mask_logits
        known = group.objects[obj].at(frame)
        if known is None or (not known.prompted and frame in group.cleared):
            return None
        return known.mask_logits

    def _take_pixels(
        self, group: TrackedGroup, step: PromptStep, mask: Mask, image: ImageEmbedding
    ) -> None:
        """Remove a new mask's pixels from the masks that other objects were given in the frame."""
        group.masks[step.frame, step.obj] = mask
        for key, other in list(group.masks.items()):
            if key[0] != step.frame or key[1] == step.obj:
                continue
            group.masks[key] = other & ~mask
            fitted = given_mask(
                group.masks[key], image.transform, self._video, self._stages.mask_size
            )
            group.pending[key] = replace(group.pending[key], mask_logits=fitted.logits)

    def _tracked(self, case: VideoCase, group: TrackedGroup, step: TrackStep) -> Iterator[Replayed]:
        self._remember_prompts(case, group)
        for frame in range(step.first, step.last + 1):
            if group.is_prompted(frame):
                self._clear_around(case.rules, group, frame)
            else:
                yield from self._tracked_frame(case, group, frame)
                group.cleared.discard(frame)
            group.visited.add(frame)

    def _tracked_frame(
        self, case: VideoCase, group: TrackedGroup, frame: int
    ) -> Iterator[Replayed]:
        image = self._image(case, frame)
        found: dict[int, Seen] = {}
        for number, obj in enumerate(list(group.objects)):
            memory = group.objects[obj]
            found[obj] = self._seen(case, memory, frame)
            cut = {key[0]: each for key, each in group.cut.items() if key[1] == obj}
            if cut:
                settled = self._pixels.settled(
                    case, cut, memory, frame, self._row + number, found[obj]
                )
                group.objects[obj], found[obj] = settled.memory, settled.seen
                self.cut_otherwise += settled.turned
                self.prompts_tried += len(cut)
        group.cut.clear()
        answers = {obj: each[0] for obj, each in found.items()}
        certainty = float(np.mean([each.certainty for each in answers.values()]))
        quality = certainty * float(np.mean([each.best_iou for each in answers.values()]))
        for obj, answer in answers.items():
            mask = memory_masks(answer.mask_logits[None], self._video, prompted=False)
            memory = self._stages.remembered(image, mask, [answer.object_score])[0]
            self._add(group, frame, obj, answer, memory, prompted=False, quality=quality)
            yield Replayed("track", frame, obj, *found[obj], memory)
            self._row += 1

    def _seen(self, case: VideoCase, memory: ObjectMemory, frame: int) -> Seen:
        image = self._image(case, frame)
        attended = memory.attended(frame, case.rules)
        conditioned = self._stages.conditioned(image, memory.feeds(attended, case.rules))
        return self._stages.tracked(image, conditioned), attended, as_array(conditioned)

    def _remember_prompts(self, case: VideoCase, group: TrackedGroup) -> None:
        """Make the memories of frames that were prompted since tracking ran last."""
        for frame in sorted({key[0] for key in group.pending}):
            image = self._image(case, frame)
            answers = {obj: self._in_prompted(group, frame, obj, image) for obj in group.objects}
            logits = np.stack([each.mask_logits for each in answers.values()])
            cut = cut_logits(logits, self._video, prompted=True)
            masks = mask_values(cut, self._video, prompted=True)
            scores = [each.object_score for each in answers.values()]
            if self._video.prompted_memory == "cut":
                undecided = undecided_in(logits, self._video)
                group.cut |= {
                    (frame, obj): CutMask(own, places, score)
                    for obj, own, places, score in zip(answers, cut, undecided, scores, strict=True)
                    if (frame, obj) in group.equal
                }
            memories = self._stages.remembered(image, masks, scores)
            for (obj, answer), memory in zip(answers.items(), memories, strict=True):
                self._add(group, frame, obj, answer, memory, prompted=True)
            self._clear_around(case.rules, group, frame)
        group.pending.clear()
        group.equal.clear()
        group.masks.clear()

    def _is_equal(self, case: VideoCase, answer: FrameAnswer) -> bool:
        """Return whether an answer is the original's but for the rounding of its own stages."""
        expected = case.answers["masks"][self._row]
        return beyond_half_precision(stored_part(case, answer), expected) < _OWN_ROUNDING

    def _in_prompted(
        self, group: TrackedGroup, frame: int, obj: int, image: ImageEmbedding
    ) -> FrameAnswer:
        """Return an object's answer for a frame that was prompted for it or for another one."""
        pending = group.pending.get((frame, obj))
        if pending is not None:
            return pending
        known = group.objects[obj].at(frame)
        if known is not None and (known.prompted or frame not in group.cleared):
            return group.answers[frame, obj]
        empty = self._stages.given(image, np.zeros(image.size, np.bool_))
        absent = np.full_like(empty.mask_logits, ABSENT)
        return replace(empty, mask_logits=absent, object_score=_SCORE_WITHOUT_ANSWER)

    def _add(
        self,
        group: TrackedGroup,
        frame: int,
        obj: int,
        answer: FrameAnswer,
        memory: Array,
        *,
        prompted: bool,
        quality: float = 0.0,
    ) -> None:
        new = RememberedFrame(frame, prompted, answer.pointer, memory, answer.mask_logits, quality)
        group.objects[obj] = group.objects[obj].added(new, rules=None)
        group.answers[frame, obj] = answer

    def _clear_around(self, rules: MemoryRules, group: TrackedGroup, frame: int) -> None:
        if len(group.objects) == 1:
            reach = rules.memories + 1
            group.cleared.update(range(frame - reach, frame + reach + 1))

    def _image(self, case: VideoCase, frame: int) -> ImageEmbedding:
        drawn = case.frames[frame]
        if drawn not in self._images:
            image = video_frame(*drawn)
            self._images[drawn] = ImageEmbedding.of(image, self._manifest, self._graph)
            if len(self._images) > _KEPT_IMAGES:
                self._images.popitem(last=False)
        self._images.move_to_end(drawn)
        return self._images[drawn]
