"""Phrases, encoded once."""

from __future__ import annotations

import html
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from sam3_ros.core.bundle.manifest import TokenizerSettings
from sam3_ros.core.errors import BundleError
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import Timings


class ClipTokenizer:
    """Turns a phrase into ids, the way CLIP's simple_tokenizer does.

    Raises BundleError when the file is no tokenizer.
    """

    def __init__(self, path: Path, settings: TokenizerSettings) -> None:
        if settings.context_length < 2:
            raise BundleError(
                f"tokenizer: context_length must hold start and end, got {settings.context_length}"
            )
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise BundleError(f"{path} is not a file of the tokenizers library: {error}") from error
        # A file may carry both, and would fill the words with padding of its own.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._settings = settings

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """int64[1, context_length]: start, the words, end, padding.

        What is too long loses its tail; the end id stays.
        """
        how = self._settings
        words = self._tokenizer.encode(clean(text), add_special_tokens=False).ids
        ids = [how.start_id, *words[: how.context_length - 2], how.end_id]
        padded = np.full((1, how.context_length), how.pad_id, np.int64)
        padded[0, : len(ids)] = ids
        return padded


def clean(text: str) -> str:
    """The text as CLIP reads it: entities resolved, spaces single, lower case."""
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


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
