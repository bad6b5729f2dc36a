"""The model's own outputs for a question, before any threshold: what precisions are judged by.

A question is what the stages are fed (token ids and boxes, or points), not what a user says, so a
comparison of two ways to run a model depends on the model alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from sam3_ros.core.precision.samples import OF_QUERIES
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.text import TextEmbedding
from sam3_ros.core.stages.session import Array

CONCEPT_FEEDS = ("input_ids", "boxes", "box_labels", "box_mask")
#: The outline of an object, as a prompt and as a memory, and the ages of that memory.
FOLLOWED_FEEDS = ("object_mask", "memory_mask", "object_score", "memory_ages", "pointer_ages")
CONCEPT_ANSWERS = ("logits", "pred_boxes", "presence")
BEST_QUERIES = 3
#: A box that moved by more than this part of the image may belong to another query.
SAME_BOX = 0.05

#: Chooses the queries whose masks are computed, from the tensors of CONCEPT_ANSWERS.
ChooseQueries: TypeAlias = Callable[[Mapping[str, Array]], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to ask of one image."""

    #: Unique among the questions of an image.
    name: str
    #: CONCEPT_FEEDS for words and exemplars; for clicks point_coords, point_labels and, where the
    #: model takes one, mask_input and has_mask; to follow an object those of a click without any
    #: point, and FOLLOWED_FEEDS. Shapes: tensor_names.py.
    feeds: Mapping[str, Array]

    def __post_init__(self) -> None:
        object.__setattr__(self, "feeds", MappingProxyType(dict(self.feeds)))
        if not self.is_concept and "point_coords" not in self.feeds:
            raise ValueError(
                f"question {self.name!r} needs input_ids (words) or point_coords (clicks) among "
                f"its feeds, got {', '.join(self.feeds) or 'none'}"
            )

    @property
    def is_concept(self) -> bool:
        """Whether it asks for words and exemplars rather than for a click or a box."""
        return "input_ids" in self.feeds

    @property
    def is_followed(self) -> bool:
        """Whether it gives an object's mask, and asks for the object by the memory of it."""
        return "memory_mask" in self.feeds


@dataclass(frozen=True, eq=False)
class RawAnswer:
    """The model's outputs for one question."""

    #: CONCEPT_ANSWERS for a concept; for a click sam_iou, and object_score where the model has one.
    tensors: Mapping[str, Array]
    #: Logits f32 [K, h, w]: those of `queries` for a concept, all four for a click.
    masks: Array
    #: The queries that the masks are of; empty for a click.
    queries: tuple[int, ...] = ()


def best_queries(answers: Mapping[str, Array]) -> Sequence[int]:
    """Return the BEST_QUERIES by logit, best first."""
    best_first = np.argsort(-answers["logits"][0], kind="stable")
    return [int(index) for index in best_first[:BEST_QUERIES]]


def ask_raw(
    image: ImageEmbedding,
    question: Question,
    queries: Sequence[int] | ChooseQueries = best_queries,
) -> RawAnswer:
    """Answer a question.

    queries: those whose masks to compute, or a function that chooses them. Raises InferenceError
    when a stage fails.
    """
    if question.is_concept:
        return _ask_concept(image, question, queries)
    if question.is_followed:
        return _ask_followed(image, question)
    score = ("object_score",) if image.provides("object_score") else ()
    computed = image.compute(("sam_masks", "sam_iou", *score), question.feeds)
    tensors = {name: computed[name] for name in ("sam_iou", *score)}
    return RawAnswer(tensors, computed["sam_masks"][0])


def prompt_tokens(image: ImageEmbedding, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Return prompt f32 [1,T,D] and prompt_mask bool [1,T] of CONCEPT_FEEDS."""
    text = image.compute(("text_features", "text_mask"), {"input_ids": feeds["input_ids"]})
    return image.prompt_tokens(TextEmbedding.of(text), feeds)


def _ask_concept(
    image: ImageEmbedding, question: Question, queries: Sequence[int] | ChooseQueries
) -> RawAnswer:
    values = prompt_tokens(image, question.feeds)
    values |= image.compute(("queries", *CONCEPT_ANSWERS), values)
    tensors = {name: values[name] for name in CONCEPT_ANSWERS}
    chosen = tuple(queries(tensors) if callable(queries) else queries)
    values["queries"] = values["queries"][:, list(chosen)]
    masks = image.compute(("masks",), values)["masks"][0]
    return RawAnswer(tensors, masks, chosen)


def _ask_followed(image: ImageEmbedding, question: Question) -> RawAnswer:
    """Remember the object whose mask is given, and find it in the same image by that memory.

    This runs every stage of following once, as the second image of a video does.
    """
    feeds = question.feeds
    no_points = {name: feeds[name] for name in feeds if name not in FOLLOWED_FEEDS}
    masks = {name: feeds[name] for name in ("object_mask", "memory_mask", "object_score")}
    remembered = image.compute_apart(("mask_memory", "mask_prompt"), masks)
    given = {
        **no_points,
        "sam_embed": image.compute_in_place(("frame_features",), {})["frame_features"],
        "mask_input": remembered["mask_prompt"],
        "has_mask": np.ones(1, np.float32),
    }
    pointers = image.compute_apart(("pointers",), given)["pointers"]
    memory = {
        "memories": remembered["mask_memory"],
        "object_pointers": pointers[0, :1],
        "memory_ages": feeds["memory_ages"],
        "pointer_ages": feeds["pointer_ages"],
    }
    embed = image.compute_in_place(("tracked_embed",), memory)["tracked_embed"]
    names = ("sam_masks", "sam_iou", "object_score")
    computed = image.compute_apart(names, {**no_points, "sam_embed": embed})
    return RawAnswer({name: computed[name] for name in names[1:]}, computed["sam_masks"][0])


class QueryOrder:
    """Matches the queries of a new answer to those of a recorded one.

    A detector that takes its queries from the peaks of a map numbers them by height. Two peaks of
    nearly the same height swap numbers when the last bit of a value changes.
    """

    def __init__(self, recorded: RawAnswer) -> None:
        self._recorded = recorded
        self._order: list[int] | None = None

    @property
    def best(self) -> list[int]:
        """The new answer's queries that match the recorded best ones; before `ask` the latter."""
        if self._order is None:
            return list(self._recorded.queries)
        return [self._order[query] for query in self._recorded.queries]

    def ask(self, image: ImageEmbedding, question: Question) -> RawAnswer:
        """Answer the question with queries in the recorded order and masks of its best ones.

        Raises InferenceError when a stage fails.
        """
        if not question.is_concept:
            return ask_raw(image, question)
        answer = ask_raw(image, question, self._match)
        tensors = {
            name: value[:, self._order] if name in OF_QUERIES else value
            for name, value in answer.tensors.items()
        }
        return RawAnswer(tensors, answer.masks, self._recorded.queries)

    def _match(self, found: Mapping[str, Array]) -> Sequence[int]:
        self._order = order_of(self._recorded.tensors, found)
        return self.best


def order_of(recorded: Mapping[str, Array], found: Mapping[str, Array]) -> list[int]:
    """Return for each recorded query the number of the matching query in `found`.

    A query keeps its number where its box stayed in place (SAME_BOX). The others take the query
    with the nearest box among those left, in descending order of the recorded logits.
    """
    expected, boxes = recorded["pred_boxes"][0], found["pred_boxes"][0]
    if expected.shape != boxes.shape or not np.isfinite(boxes).all():
        return list(range(len(boxes)))
    apart = np.abs(expected[:, None].astype(np.float32) - boxes[None]).max(axis=-1)
    in_place = apart.diagonal() <= SAME_BOX
    order = np.where(in_place, np.arange(len(in_place)), -1)
    free = np.flatnonzero(~in_place).tolist()
    for query in np.argsort(-recorded["logits"][0], kind="stable"):
        if order[query] < 0:
            nearest = min(free, key=lambda other: (apart[query, other], abs(other - query)))
            free.remove(nearest)
            order[query] = nearest
    return [int(query) for query in order]
