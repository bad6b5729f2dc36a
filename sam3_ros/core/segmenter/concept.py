"""Answers concept prompts: scores all queries first, and segments only those that are kept.

Post-processing as in SAM 3 (arXiv 2511.16719; facebookresearch/sam3, Sam3Processor): a query is
kept by sigmoid(logit) * sigmoid(presence), and nothing is suppressed for overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import ConceptSettings
from sam3_ros.core.geometry import Box
from sam3_ros.core.segmenter.checks import require_finite
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.lengths import stacked
from sam3_ros.core.segmenter.prompts import ConceptPrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.text import TextEncoder
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph, as_array
from sam3_ros.core.stages.session import Array, Tensor, block
from sam3_ros.core.stages.tensor_names import OF_PROMPTS
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
        self,
        image: ImageEmbedding,
        prompts: Sequence[ConceptPrompt],
        score_thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        """Answer each prompt, best segment first; its threshold, if any, replaces the bundle's.

        On a GPU several go through the stages together (LengthRule.prompts).
        """
        answers: list[list[Segment]] = []
        lengths = image.lengths
        if lengths.joins(len(prompts)) and not takes_several(image.graph):
            lengths = lengths.one_by_one
        for group in lengths.groups_of(len(prompts)):
            answers += self._ask_group(image, prompts[group], score_thresholds[group])
        return answers

    def _ask_group(
        self,
        image: ImageEmbedding,
        prompts: Sequence[ConceptPrompt],
        score_thresholds: Sequence[float | None],
    ) -> list[list[Segment]]:
        values: dict[str, Any] = stacked(self._tokens(image, prompts))
        values |= image.compute_in_place(SCORED, values)
        logits, presence = as_array(values["logits"]), as_array(values["presence"])
        kept = [
            keep_queries(
                logits[row : row + 1],
                presence[row : row + 1],
                self._settings.score_threshold if threshold is None else threshold,
            )
            for row, threshold in enumerate(score_thresholds)
        ]
        if not any(len(each.indices) for each in kept):
            return [[] for _ in prompts]
        boxes, values["queries"] = as_array(values["pred_boxes"]), as_array(values["queries"])
        masks = masks_of_kept(image, values, kept)
        with self._timings.measure("postprocess"):
            return [
                list(self._segments(image, prompt, of_prompt, corners[of_prompt.indices], found))
                for prompt, of_prompt, corners, found in zip(
                    prompts, kept, boxes, masks, strict=True
                )
            ]

    def _tokens(
        self, image: ImageEmbedding, prompts: Sequence[ConceptPrompt]
    ) -> list[dict[str, Array]]:
        texts = [
            self._texts.encode(each.text or self._settings.textless_prompt) for each in prompts
        ]
        exemplars = [
            image.lengths.boxes_of(exemplar_feeds(each, image.transform)) for each in prompts
        ]
        return image.tokens_of_prompts(texts, exemplars)

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

    Boxes are not clipped to the image, as they are not in the original.
    """
    boxes = prompt.exemplars
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


def masks_of_kept(
    image: ImageEmbedding, values: Mapping[str, Any], kept: Sequence[KeptQueries]
) -> list[Array]:
    """Return mask logits f32[K,h,w] of the queries that each prompt keeps; K may be 0.

    values: queries f32[P,Q,D] on the host, and what else was computed of the prompts.

    Prompts that all keep a query are segmented together, with as many queries each as the one that
    keeps most: a query more adds a thousandth of the work of a prompt's pixel decoder. A prompt
    that keeps none would cost that pixel decoder, so the others are then segmented one by one.
    """
    counts = [len(each.indices) for each in kept]
    chosen = [values["queries"][row, each.indices] for row, each in enumerate(kept)]
    if all(counts):
        queries = image.lengths.queries_of(chosen)
        together = image.compute_in_place(("masks",), {**values, "queries": queries})["masks"]
        return [as_array(block(together, row, count))[0] for row, count in enumerate(counts)]
    alone: dict[int, Tensor] = {}
    for row in np.flatnonzero(counts).tolist():
        of_prompt = image.of_one_prompt(("masks",), values, row)
        of_prompt["queries"] = image.lengths.queries_of(chosen[row : row + 1])
        alone[row] = image.compute_in_place(("masks",), of_prompt)["masks"]
    nothing = np.empty((0, 0, 0), np.float32)
    return [
        as_array(block(alone[row], 0, count))[0] if row in alone else nothing
        for row, count in enumerate(counts)
    ]


def takes_several(graph: StageGraph) -> bool:
    """Return whether every stage of concept prompts takes several prompts in one run.

    Files for some backends fix the number to one.
    """
    return all(
        not isinstance(next(iter(spec.shape), None), int)
        for stage in graph.stages_reading(OF_PROMPTS)
        for name, spec in graph.specs(stage)[0].items()
        if name in OF_PROMPTS
    )


def selected_by_points(
    mask: npt.NDArray[np.bool_], points: Sequence[tuple[float, float]], labels: Sequence[int]
) -> bool:
    """Return whether the mask holds any positive point (if there are any) and no negative one.

    A point on the image's right or lower edge belongs to the last pixel.
    """
    bottom, right = mask.shape[0] - 1, mask.shape[1] - 1
    hit = [bool(mask[min(int(y), bottom), min(int(x), right)]) for x, y in points]
    positive = [held for held, label in zip(hit, labels, strict=True) if label == 1]
    negative = [held for held, label in zip(hit, labels, strict=True) if label == 0]
    return (any(positive) or not positive) and not any(negative)


def _sigmoid(logits: Array) -> npt.NDArray[np.float32]:
    # Past +-80 the sigmoid no longer changes in float32, but exp overflows.
    exact = np.clip(logits.astype(np.float32, copy=False), -80, 80)
    return np.asarray(1 / (1 + np.exp(-exact)), np.float32)
