"""Phrases: cleaned and tokenized as the model was trained, encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import TokenizerSettings
from sam3_ros.core.errors import BundleError, PromptError
from sam3_ros.core.segmenter.clip_words import END_TEXT, START_TEXT, clip_words
from sam3_ros.core.segmenter.text_cleaning import cleaned_as_clip
from sam3_ros.core.segmenter.tokenizer_file import no_panic, read_tokenizer
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
from sam3_ros.core.timings import CallTimings

PHRASES_KEPT = 256


class Word(NamedTuple):
    """A part of a phrase that is tokenized by itself: a word, a digit, punctuation."""

    #: As the model reads it: cleaned, mostly lower case.
    text: str
    ids: tuple[int, ...]


class ClipTokenizer:
    """CLIP's byte-pair encoding (its simple_tokenizer), from a file of the `tokenizers` library.

    Raises BundleError where the file is no tokenizer.
    """

    def __init__(self, path: Path, settings: TokenizerSettings) -> None:
        if settings.context_length < 2:
            raise BundleError(
                f"tokenizer: context_length must hold start and end, got {settings.context_length}"
            )
        # Only the byte pairs are the file's where CLIP's own cleaning is wanted: what else is in
        # such files is close to it, and not the same.
        as_clip = settings.cleaning == "clip"
        tokenizer = read_tokenizer(path, only_model=as_clip)
        if as_clip:
            tokenizer.pre_tokenizer = clip_words()
        self._tokenizer = tokenizer
        self._settings = settings

    def clean(self, text: str) -> str:
        """Return the text as the model reads it."""
        return cleaned_as_clip(text) if self._settings.cleaning == "clip" else text

    def words(self, text: str) -> tuple[Word, ...]:
        """Return the words of a text, also those that encode has no room for.

        Raises PromptError where the tokenizer, which the bundle brought, cannot read it.
        """
        clean = self.clean(text)
        try:
            with no_panic():
                encoding = self._tokenizer.encode(clean, add_special_tokens=False)
        except ValueError as error:
            raise PromptError(
                f"the tokenizer of the bundle cannot read the text {text[:80]!r}: {error}; ask "
                f"for something else, or use another bundle"
            ) from error
        tokens = zip(encoding.word_ids, encoding.ids, encoding.offsets, strict=True)
        words = []
        for _, group in groupby(tokens, key=itemgetter(0)):
            _, ids, places = zip(*group, strict=True)
            word = clean[places[0][0] : places[-1][1]]
            words.append(Word(word, self._marks.get(word, ids)))
        return tuple(words)

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the ids, int64[1, context_length]: start, the words, end, padding.

        A text that is too long loses its tail; the end id stays. Raises as words does.
        """
        how = self._settings
        found = [number for word in self.words(text) for number in word.ids]
        ids = [how.start_id, *found[: self.most_tokens], how.end_id]
        padded = np.full((1, how.context_length), how.pad_id, np.int64)
        padded[0, : len(ids)] = ids
        return padded

    @property
    def most_tokens(self) -> int:
        """How many tokens of a text the model reads."""
        return self._settings.context_length - 2

    @property
    def _marks(self) -> Mapping[str, tuple[int, ...]]:
        how = self._settings
        if how.cleaning != "clip":
            return {}
        return {START_TEXT: (how.start_id,), END_TEXT: (how.end_id,)}


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """A phrase as the model reads it."""

    #: f32[1, L, D]
    features: Array
    #: bool[1, L], True = valid
    mask: npt.NDArray[np.bool_]
    #: Seconds by step of the Segmenter.encode_text that gave it; empty for a phrase that was kept.
    timings: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, computed: Mapping[str, Array]) -> TextEmbedding:
        """Take text_features and text_mask from the tensors that a text stage computed."""
        return cls(computed["text_features"], computed["text_mask"].astype(np.bool_))


class KeptTexts(NamedTuple):
    """How many phrases are kept encoded, and their bytes."""

    texts: int
    nbytes: int


class TextEncoder:
    """Runs tokenizer and text stage, and keeps the PHRASES_KEPT phrases that were used last."""

    def __init__(self, tokenizer: ClipTokenizer, graph: StageGraph, timings: CallTimings) -> None:
        self._tokenizer = tokenizer
        self._graph = graph
        self._timings = timings
        self._kept: OrderedDict[str, TextEmbedding] = OrderedDict()

    def encode(self, text: str) -> TextEmbedding:
        """Encode a phrase, or return what is kept of it.

        Raises InferenceError when the text stage fails, and PromptError as ClipTokenizer.words.
        """
        phrase = self._tokenizer.clean(text)
        if phrase in self._kept:
            self._kept.move_to_end(phrase)
            return self._kept[phrase]
        with self._timings.measure("tokenize"):
            ids = self._tokenizer.encode(phrase)
        computed = self._graph.compute(("text_features", "text_mask"), {"input_ids": ids})
        embedding = self._kept[phrase] = TextEmbedding.of(computed)
        if len(self._kept) > PHRASES_KEPT:
            self._kept.popitem(last=False)
        return embedding

    @property
    def kept(self) -> KeptTexts:
        """What is kept now; may be read from any thread."""
        embeddings = tuple(self._kept.values())
        return KeptTexts(
            len(embeddings), sum(e.features.nbytes + e.mask.nbytes for e in embeddings)
        )

    def forget(self) -> None:
        """Drop all phrases, since another text stage will encode them."""
        self._kept.clear()
