"""Answers whose queries came in another order, put into the recorded one.

A detector that takes its queries from the peaks of a map numbers them by height, and two peaks of
nearly the same height change places with the last bit of a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sam3_ros.core.precision.answers import Question, RawAnswer, ask_raw
from sam3_ros.core.precision.witness import OF_QUERIES
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.stages.session import Array

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
