"""From a click or a box to the object it means."""

from __future__ import annotations

from dataclasses import dataclass

from sam3_ros.core.bundle.manifest import InteractiveSettings
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.finite import require_finite
from sam3_ros.core.segmenter.interactive import (
    choose_mask,
    is_ambiguous,
    prompt_feeds,
    shows_no_object,
    wanted_tensors,
)
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import Timings


@dataclass(frozen=True, eq=False)
class InteractiveAnswer:
    """segment: None where there is nothing; `nothing` then says why, for people. mask_logits:
    f32[h, w] over the model's frame, of the mask that answered, also where it is not believed."""

    segment: Segment | None
    mask_logits: Array
    nothing: str = ""


class InteractiveAnswers:
    """Answers interactive prompts with the stages of one bundle."""

    def __init__(self, settings: InteractiveSettings, timings: Timings) -> None:
        self.settings = settings
        self._timings = timings

    def ask(self, image: ImageEmbedding, prompt: InteractivePrompt) -> list[Segment]:
        """One segment, or none where the model sees no object or its mask is empty."""
        answer = self.answer(image, prompt)
        return [] if answer.segment is None else [answer.segment]

    def answer(
        self, image: ImageEmbedding, prompt: InteractivePrompt, mask_logits: Array | None = None
    ) -> InteractiveAnswer:
        """mask_logits: the mask prompt, of an earlier answer; only for a model that takes one."""
        feeds = prompt_feeds(prompt, image.transform, self.settings, mask_logits)
        computed = image.compute(wanted_tensors(self.settings), feeds)
        with self._timings.measure("postprocess"):
            masks, iou = computed["sam_masks"][0], computed["sam_iou"][0]
            if shows_no_object(computed, self.settings):
                return InteractiveAnswer(None, masks[0], "the model sees no object there")
            return self._best(image, prompt, masks, iou, mask_logits is None)

    def _best(
        self,
        image: ImageEmbedding,
        prompt: InteractivePrompt,
        masks: Array,
        iou: Array,
        may_be_ambiguous: bool,
    ) -> InteractiveAnswer:
        require_finite("masks", masks)
        require_finite("mask scores", iou)
        settings = self.settings
        ambiguous = may_be_ambiguous and is_ambiguous(prompt, settings)
        chosen = choose_mask(masks, iou, ambiguous, settings.single_mask)
        found = image.transform.found_in_source(
            masks[chosen], settings.mask_threshold, settings.mask_fit
        )
        bounds = found.bounds
        if bounds is None:
            return InteractiveAnswer(None, masks[chosen], "the model's mask is empty")
        segment = Segment(prompt.id, prompt.label, float(iou[chosen]), bounds, found.mask, bounds)
        return InteractiveAnswer(segment, masks[chosen])
