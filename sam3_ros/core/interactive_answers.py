"""From a click or a box to the object it means."""

from __future__ import annotations

from sam3_ros.core.finite import require_finite
from sam3_ros.core.geometry import mask_bounds
from sam3_ros.core.image_embedding import ImageEmbedding
from sam3_ros.core.interactive import (
    choose_mask,
    is_ambiguous,
    prompt_feeds,
    shows_no_object,
    wanted_tensors,
)
from sam3_ros.core.manifest import InteractiveSettings
from sam3_ros.core.prompts import InteractivePrompt
from sam3_ros.core.segments import Segment
from sam3_ros.core.session import Array
from sam3_ros.core.timings import Timings


class InteractiveAnswers:
    """Answers interactive prompts with the stages of one bundle."""

    def __init__(self, settings: InteractiveSettings, timings: Timings) -> None:
        self._settings = settings
        self._timings = timings

    def ask(self, image: ImageEmbedding, prompt: InteractivePrompt) -> list[Segment]:
        """One segment, or none where the model sees no object or its mask is empty."""
        feeds = prompt_feeds(prompt, image.transform, self._settings)
        computed = image.compute(wanted_tensors(self._settings), feeds)
        with self._timings.measure("postprocess"):
            if shows_no_object(computed, self._settings):
                return []
            return self._segments(image, prompt, computed["sam_masks"][0], computed["sam_iou"][0])

    def _segments(
        self, image: ImageEmbedding, prompt: InteractivePrompt, masks: Array, iou: Array
    ) -> list[Segment]:
        require_finite("masks", masks)
        require_finite("mask scores", iou)
        settings = self._settings
        chosen = choose_mask(masks, iou, is_ambiguous(prompt, settings), settings.single_mask)
        mask = image.transform.mask_to_source(
            masks[chosen], settings.mask_threshold, settings.mask_fit
        )
        bounds = mask_bounds(mask)
        if bounds is None:
            return []
        return [Segment(prompt.id, prompt.label, float(iou[chosen]), bounds, mask)]
