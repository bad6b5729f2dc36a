"""Answers concept prompts: scores all queries first, and segments only those that are kept.

Post-processing as in SAM 3 (arXiv 2511.16719; facebookresearch/sam3, Sam3Processor): a query is
kept by sigmoid(logit) * sigmoid(presence), and nothing is suppressed for overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import ConceptSettings
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.checks import clipped_box, require_finite
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.text import TextEncoder
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import CallTimings

SCORED = ("queries", "pred_boxes", "presence", "logits")


@dataclass(frozen=True, eq=False)
class KeptQueries:
    """Queries above the threshold, best first."""

    #: int64[K]
    indices: npt.NDArray[np.int64]
    #: f32[K] in [0, 1]
    scores: npt.NDArray[np.float32]


class ConceptAnswers:
    """Answers concept prompts with the stages of one bundle."""

    def __init__(self, settings: ConceptSettings, texts: TextEncoder, timings: CallTimings) -> None:
        self._settings = settings
        self._texts = texts
        self._timings = timings

    def ask(
        self, image: ImageEmbedding, prompt: ConceptPrompt, score_threshold: float | None = None
    ) -> list[Segment]:
        """Answer a prompt, best segment first; score_threshold replaces the bundle's."""
        threshold = self._settings.score_threshold if score_threshold is None else score_threshold
        text = self._texts.encode(prompt.text or self._settings.textless_prompt)
        values = image.prompt_tokens(text, exemplar_feeds(prompt, image.transform))
        values |= image.compute(SCORED, values)
        kept = keep_queries(values["logits"], values["presence"], threshold)
        if len(kept.indices) == 0:
            return []
        values["queries"] = values["queries"][:, kept.indices]
        masks = image.compute(("masks",), values)["masks"][0]
        with self._timings.measure("postprocess"):
            boxes = values["pred_boxes"][0, kept.indices]
            return list(self._segments(image, prompt, kept, boxes, masks))

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


def exemplar_feeds(prompt: ConceptPrompt, transform: ImageTransform) -> dict[str, Array]:
    """Return boxes f32[1,N,4] cxcywh, box_labels int64[1,N] and box_mask bool[1,N]; N may be 0.

    Boxes are clipped to the image; one that lies outside of it raises PromptError.
    """
    boxes = [clipped_box(box, transform.source, prompt.id) for box in prompt.exemplars]
    return {
        "boxes": transform.boxes_to_model(boxes)[None],
        "box_labels": np.array([prompt.exemplar_labels], np.int64).reshape(1, -1),
        "box_mask": np.ones((1, len(boxes)), np.bool_),
    }


def keep_queries(logits: Array, presence: Array, threshold: float) -> KeptQueries:
    """Return the queries whose score is above the threshold.

    logits: f32[1, Q], presence: f32[1, 1]. Raises InferenceError where they are not finite, which
    is how an overflow shows in half precision.
    """
    require_finite("scores", logits)
    require_finite("presence", presence)
    scores = scores_of(logits, presence)[0]
    kept = np.flatnonzero(scores > np.float32(threshold))
    best_first = kept[np.argsort(-scores[kept], kind="stable")]
    return KeptQueries(best_first.astype(np.int64), scores[best_first])


def scores_of(logits: Array, presence: Array) -> npt.NDArray[np.float32]:
    """Return scores f32[1, Q] in [0, 1] of logits f32[1, Q] and presence f32[1, 1]."""
    return _sigmoid(logits) * _sigmoid(presence.reshape(-1)[:1])


def selected_by_points(
    mask: npt.NDArray[np.bool_], points: Sequence[tuple[float, float]], labels: Sequence[int]
) -> bool:
    """Return whether the mask holds any positive point (if there are any) and no negative one."""
    hit = [bool(mask[int(y), int(x)]) for x, y in points]
    positive = [held for held, label in zip(hit, labels, strict=True) if label == 1]
    negative = [held for held, label in zip(hit, labels, strict=True) if label == 0]
    return (any(positive) or not positive) and not any(negative)


def _sigmoid(logits: Array) -> npt.NDArray[np.float32]:
    # Past +-80 the sigmoid no longer changes in float32, but exp overflows.
    exact = np.clip(logits.astype(np.float32, copy=False), -80, 80)
    return np.asarray(1 / (1 + np.exp(-exact)), np.float32)
