"""CLIP's byte-pair encoding, from a file of the `tokenizers` library."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from sam3_ros.core.bundle.manifest import TokenizerSettings
from sam3_ros.core.errors import BundleError


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
