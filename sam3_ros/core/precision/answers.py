"""The model's own numbers for a question, before any threshold: what precisions are judged by.

A question is what the stages are fed, not what a user says: token ids and boxes, or points. So a
comparison of two ways to run a model hangs on nothing but the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.stages.session import Array

CONCEPT_FEEDS = ("input_ids", "boxes", "box_labels", "box_mask")
CONCEPT_ANSWERS = ("logits", "pred_boxes", "presence")
BEST_QUERIES = 3

#: From CONCEPT_ANSWERS to the queries whose masks are to be computed.
ChooseQueries: TypeAlias = Callable[[Mapping[str, Array]], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to ask of one image.

    feeds: for words and exemplars CONCEPT_FEEDS, for clicks point_coords, point_labels and, where
    the model takes one, mask_input and has_mask (shapes: tensor_names.py).
    """

    name: str
    feeds: Mapping[str, Array]

    def __post_init__(self) -> None:
        object.__setattr__(self, "feeds", MappingProxyType(dict(self.feeds)))
        if not self.is_concept and "point_coords" not in self.feeds:
            raise ValueError(f"question {self.name!r} asks neither words nor points")

    @property
    def is_concept(self) -> bool:
        """Words and exemplars, rather than a click or a box."""
        return "input_ids" in self.feeds


@dataclass(frozen=True, eq=False)
class RawAnswer:
    """What the model says.

    tensors: for a concept CONCEPT_ANSWERS, for a click sam_iou and, where the model has one,
    object_score. masks: f32 [K, h, w] logits; of a concept those of `queries`, of a click all four.
    """

    tensors: Mapping[str, Array]
    masks: Array
    queries: tuple[int, ...] = ()


def best_queries(answers: Mapping[str, Array]) -> Sequence[int]:
    """The BEST_QUERIES by logit."""
    best_first = np.argsort(-answers["logits"][0], kind="stable")
    return [int(index) for index in best_first[:BEST_QUERIES]]


def ask_raw(
    image: ImageEmbedding,
    question: Question,
    queries: Sequence[int] | ChooseQueries = best_queries,
) -> RawAnswer:
    """Answer a question. queries: whose masks to compute, or what chooses them.

    Raises InferenceError when a stage fails.
    """
    if question.is_concept:
        return _concept(image, question, queries)
    score = ("object_score",) if image.provides("object_score") else ()
    computed = image.compute(("sam_masks", "sam_iou", *score), question.feeds)
    tensors = {name: computed[name] for name in ("sam_iou", *score)}
    return RawAnswer(tensors, computed["sam_masks"][0])


def prompt_tokens(image: ImageEmbedding, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """prompt f32[1,T,D] and prompt_mask bool[1,T]: text tokens, then geometry tokens."""
    text = image.compute(("text_features", "text_mask"), {"input_ids": feeds["input_ids"]})
    geometry = image.geometry({name: feeds[name] for name in CONCEPT_FEEDS[1:]})
    mask = text["text_mask"].astype(np.bool_)
    return {
        "prompt": np.concatenate([text["text_features"], geometry["features"]], axis=1),
        "prompt_mask": np.concatenate([mask, geometry["mask"]], axis=1),
    }


def _concept(
    image: ImageEmbedding, question: Question, queries: Sequence[int] | ChooseQueries
) -> RawAnswer:
    values = prompt_tokens(image, question.feeds)
    values |= image.compute(("queries", *CONCEPT_ANSWERS), values)
    tensors = {name: values[name] for name in CONCEPT_ANSWERS}
    chosen = tuple(queries(tensors) if callable(queries) else queries)
    values["queries"] = values["queries"][:, list(chosen)]
    masks = image.compute(("masks",), values)["masks"][0]
    return RawAnswer(tensors, masks, chosen)
