"""Phrases, encoded once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sam3_ros.core.segmenter.tokenizer import ClipTokenizer, clean
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import Timings

PHRASES_KEPT = 256


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """A phrase as the model sees it. features: f32[1, L, D], mask: bool[1, L], True = valid."""

    features: Array
    mask: npt.NDArray[np.bool_]


class KeptTexts(NamedTuple):
    """How many phrases are kept encoded, and their bytes."""

    texts: int
    nbytes: int


class TextEncoder:
    """Runs tokenizer and text stage, and keeps the PHRASES_KEPT phrases used last."""

    def __init__(self, tokenizer: ClipTokenizer, graph: StageGraph, timings: Timings) -> None:
        self._tokenizer = tokenizer
        self._graph = graph
        self._timings = timings
        self._kept: OrderedDict[str, TextEmbedding] = OrderedDict()

    def encode(self, text: str) -> TextEmbedding:
        """Raises InferenceError when the text stage fails."""
        phrase = clean(text)
        if phrase in self._kept:
            self._kept.move_to_end(phrase)
            return self._kept[phrase]
        embedding = self._encode(phrase)
        self._kept[phrase] = embedding
        if len(self._kept) > PHRASES_KEPT:
            self._kept.popitem(last=False)
        return embedding

    @property
    def kept(self) -> KeptTexts:
        """What is kept now; may be asked by any thread."""
        embeddings = tuple(self._kept.values())
        return KeptTexts(
            len(embeddings), sum(e.features.nbytes + e.mask.nbytes for e in embeddings)
        )

    def forget(self) -> None:
        """Keep none of the phrases: another text stage will encode them."""
        self._kept.clear()

    def _encode(self, phrase: str) -> TextEmbedding:
        with self._timings.measure("tokenize"):
            ids = self._tokenizer.encode(phrase)
        computed = self._graph.compute(("text_features", "text_mask"), {"input_ids": ids})
        return TextEmbedding(computed["text_features"], computed["text_mask"].astype(np.bool_))
