"""Concept prompts: what goes into the model, and which of its queries are answers.

Post-processing as in SAM 3 (arXiv 2511.16719; facebookresearch/sam3, Sam3Processor): a query is
kept by sigmoid(logit) * sigmoid(presence), and nothing is suppressed for overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.checks import clipped_box
from sam3_ros.core.segmenter.finite import require_finite
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.transform import ImageTransform

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class KeptQueries:
    """Queries above the threshold, best first. indices: int64[K], scores: f32[K] in [0, 1]."""

    indices: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


def exemplar_feeds(prompt: ConceptPrompt, transform: ImageTransform) -> dict[str, Array]:
    """boxes f32[1,N,4] cxcywh, box_labels int64[1,N] and box_mask bool[1,N]; N may be 0.

    Boxes are clipped to the image; one that lies outside of it raises PromptError.
    """
    boxes = [clipped_box(box, transform.source, prompt.id) for box in prompt.exemplars]
    return {
        "boxes": transform.boxes_to_model(boxes)[None],
        "box_labels": np.array([prompt.exemplar_labels], np.int64).reshape(1, -1),
        "box_mask": np.ones((1, len(boxes)), np.bool_),
    }


def keep_queries(logits: Array, presence: Array, threshold: float) -> KeptQueries:
    """The queries whose score is above the threshold.

    logits: f32[1, Q], presence: f32[1, 1]. Raises InferenceError where they are not finite, which
    in half precision is how an overflow shows.
    """
    require_finite("scores", logits)
    require_finite("presence", presence)
    scores = scores_of(logits, presence)[0]
    kept = np.flatnonzero(scores > np.float32(threshold))
    best_first = kept[np.argsort(-scores[kept], kind="stable")]
    return KeptQueries(best_first.astype(np.int64), scores[best_first])


def scores_of(logits: Array, presence: Array) -> npt.NDArray[np.float32]:
    """f32[1, Q] in [0, 1] of logits f32[1, Q] and presence f32[1, 1]."""
    return _sigmoid(logits) * _sigmoid(presence.reshape(-1)[:1])


def selected_by_points(
    mask: npt.NDArray[np.bool_], points: Sequence[tuple[float, float]], labels: Sequence[int]
) -> bool:
    """Does the mask hold any positive point (if there are any) and no negative one?"""
    hit = [bool(mask[int(y), int(x)]) for x, y in points]
    positive = [held for held, label in zip(hit, labels, strict=True) if label == 1]
    negative = [held for held, label in zip(hit, labels, strict=True) if label == 0]
    return (any(positive) or not positive) and not any(negative)


def _sigmoid(logits: Array) -> npt.NDArray[np.float32]:
    # Past +-80 the sigmoid no longer changes in float32, but exp overflows.
    exact = np.clip(logits.astype(np.float32, copy=False), -80, 80)
    return np.asarray(1 / (1 + np.exp(-exact)), np.float32)
