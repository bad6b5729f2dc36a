"""What training asks of the tokenizer."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer

from sam3_ros.training.tabletop.export import END, PAD, START
from sam3_ros.training.tabletop.network import CONTEXT_LENGTH
from sam3_ros.training.tabletop.phrases import all_words


def known_tokens(tokenizer: Tokenizer) -> list[int]:
    """Return the token ids that occur in phrases about the tabletop."""
    words = [*all_words(), "visual"]
    return sorted({token for word in words for token in tokenizer.encode(word).ids} | {START, END})


class Encoder:
    """Encodes a phrase for the text stage: int64 [CONTEXT_LENGTH]."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> np.ndarray:
        ids = [START, *self._tokenizer.encode(text).ids[: CONTEXT_LENGTH - 2], END]
        return np.array(ids + [PAD] * (CONTEXT_LENGTH - len(ids)), np.int64)
