"""From a concept prompt to its segments: score first, and segment only what is kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sam3_ros.core.bundle.manifest import ConceptSettings
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.concept import (
    KeptQueries,
    exemplar_feeds,
    keep_queries,
    selected_by_points,
)
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.finite import require_finite
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.text import TextEncoder
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import Timings

SCORED = ("queries", "pred_boxes", "presence", "logits")


class ConceptAnswers:
    """Answers concept prompts with the stages of one bundle."""

    def __init__(self, settings: ConceptSettings, texts: TextEncoder, timings: Timings) -> None:
        self._settings = settings
        self._texts = texts
        self._timings = timings

    def ask(
        self, image: ImageEmbedding, prompt: ConceptPrompt, score_threshold: float | None = None
    ) -> list[Segment]:
        """Best first; score_threshold replaces the bundle's."""
        threshold = self._settings.score_threshold if score_threshold is None else score_threshold
        values = self._prompt_tokens(image, prompt)
        values |= image.compute(SCORED, values)
        kept = keep_queries(values["logits"], values["presence"], threshold)
        if len(kept.indices) == 0:
            return []
        values["queries"] = values["queries"][:, kept.indices]
        masks = image.compute(("masks",), values)["masks"][0]
        with self._timings.measure("postprocess"):
            boxes = values["pred_boxes"][0, kept.indices]
            return list(self._segments(image, prompt, kept, boxes, masks))

    def _prompt_tokens(self, image: ImageEmbedding, prompt: ConceptPrompt) -> dict[str, Array]:
        """The prompt as the fusion reads it: text tokens, then geometry tokens."""
        text = self._texts.encode(prompt.text or self._settings.textless_prompt)
        geometry = image.geometry(exemplar_feeds(prompt, image.transform))
        return {
            "prompt": np.concatenate([text.features, geometry["features"]], axis=1),
            "prompt_mask": np.concatenate([text.mask, geometry["mask"]], axis=1),
        }

    def _segments(
        self,
        image: ImageEmbedding,
        prompt: ConceptPrompt,
        kept: KeptQueries,
        boxes: Array,
        masks: Array,
    ) -> Iterator[Segment]:
        require_finite("boxes", boxes)
        require_finite("masks", masks)
        corners = image.transform.boxes_to_source(boxes)
        for score, box, logits in zip(kept.scores, corners, masks, strict=True):
            found = image.transform.found_in_source(logits, self._settings.mask_threshold)
            if found.bounds is None:
                continue
            if selected_by_points(found.mask, prompt.points, prompt.point_labels):
                around = Box(*(float(corner) for corner in box))
                yield Segment(
                    prompt.id, prompt.label, float(score), around, found.mask, found.bounds
                )
