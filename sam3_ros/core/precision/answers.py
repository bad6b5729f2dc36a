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

from sam3_ros.core.precision.samples import OF_QUERIES
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


#: As a part of the image: a box that moved by more may be another query's.
SAME_BOX = 0.05


class QueryOrder:
    """Where the queries of a recorded answer are found in another one."""

    def __init__(self, recorded: RawAnswer) -> None:
        self._recorded = recorded
        self._order: list[int] | None = None

    @property
    def best(self) -> list[int]:
        """The queries of the answer that stand for the recorded best ones; before `ask` those."""
        if self._order is None:
            return list(self._recorded.queries)
        return [self._order[query] for query in self._recorded.queries]

    def ask(self, image: ImageEmbedding, question: Question) -> RawAnswer:
        """Answer the question as it was recorded: queries in its order, masks of its best ones.

        Raises InferenceError when a stage fails.
        """
        if not question.is_concept:
            return ask_raw(image, question)
        answer = ask_raw(image, question, self._chosen)
        tensors = {
            name: value[:, self._order] if name in OF_QUERIES else value
            for name, value in answer.tensors.items()
        }
        return RawAnswer(tensors, answer.masks, self._recorded.queries)

    def _chosen(self, found: Mapping[str, Array]) -> Sequence[int]:
        self._order = order_of(self._recorded.tensors, found)
        return self.best


def order_of(recorded: Mapping[str, Array], found: Mapping[str, Array]) -> list[int]:
    """For each recorded query the number of the found one: its own, unless the boxes say otherwise.

    Best recorded queries choose first.
    """
    expected, boxes = recorded["pred_boxes"][0], found["pred_boxes"][0]
    if expected.shape != boxes.shape or not np.isfinite(boxes).all():
        return list(range(len(boxes)))
    apart = np.abs(expected[:, None].astype(np.float32) - boxes[None]).max(axis=-1)
    own = apart.diagonal() <= SAME_BOX
    order = np.where(own, np.arange(len(own)), -1)
    free = np.flatnonzero(~own).tolist()
    for query in np.argsort(-recorded["logits"][0], kind="stable"):
        if order[query] < 0:
            nearest = min(free, key=lambda other: (apart[query, other], abs(other - query)))
            free.remove(nearest)
            order[query] = nearest
    return [int(query) for query in order]
