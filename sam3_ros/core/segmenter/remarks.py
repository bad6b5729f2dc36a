"""What to know about a prompt that is asked: where the model may read it otherwise than meant.

A remark never changes the answer. Command line, node, replay and library all take them from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.errors import PromptError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.phrases import separator_remark
from sam3_ros.core.segmenter.positions import moved_points
from sam3_ros.core.segmenter.prompts import ConceptPrompt, InteractivePrompt, Prompt
from sam3_ros.core.segmenter.text import ClipTokenizer, Word

MOST_WORDS_NAMED = 8


class Remarks:
    """Makes remarks on prompts for one bundle; may be used from any thread."""

    def __init__(self, manifest: Manifest, tokenizer: ClipTokenizer | None) -> None:
        """tokenizer: None for a bundle that takes no text."""
        self._name = manifest.name
        self._tokenizer = tokenizer
        self._concept = manifest.concept
        words = self._concept.vocabulary if self._concept is not None else None
        self._vocabulary = frozenset(words) if words is not None else None

    def on(self, prompt: Prompt, size: ImageSize | None = None) -> tuple[str, ...]:
        """Return a sentence for each thing to know; none for most prompts.

        size: of the image that is asked, where it is known.
        """
        return tuple(self._all(prompt, size))

    def _all(self, prompt: Prompt, size: ImageSize | None) -> Iterator[str]:
        if isinstance(prompt, ConceptPrompt) and prompt.text is not None:
            yield from self._on_text(prompt.text)
        if isinstance(prompt, InteractivePrompt) and _is_negative(prompt):
            yield (
                f"{prompt.id!r} has negative points alone: they say where the object is not, and "
                "the model chooses what to outline instead"
            )
        if size is not None:
            yield from (f"{prompt.id!r}: {moved}" for moved in moved_points(prompt, size))

    def _on_text(self, text: str) -> Iterator[str]:
        yield from filter(None, [separator_remark(text)])
        if self._tokenizer is None or self._concept is None:
            return
        try:
            words = self._tokenizer.words(text)
        except PromptError as error:
            yield str(error)
            return
        read = _words_read(words, self._tokenizer.most_tokens)
        if unread := [word.text for word in words[read:]]:
            yield (
                f"{_shown(text)} is cut at the model's limit of {self._tokenizer.most_tokens} "
                f"tokens: it does not read {_listed(unread)}"
            )
        known = self._vocabulary
        if known is None or text == self._concept.textless_prompt:
            return
        if unknown := [word.text for word in words if word.text not in known]:
            yield (
                f"the model {self._name!r} does not know {_listed(dict.fromkeys(unknown))}, so "
                f"what it answers to {_shown(text)} means nothing: `sam3-ros bundle inspect` lists "
                "its words"
            )


def _is_negative(prompt: InteractivePrompt) -> bool:
    return prompt.box is None and 1 not in prompt.point_labels


def _words_read(words: Iterable[Word], most_tokens: int) -> int:
    """Return how many words fit whole."""
    count = read = 0
    for word in words:
        count += len(word.ids)
        if count > most_tokens:
            break
        read += 1
    return read


def _listed(words: Iterable[str]) -> str:
    named = [_shown(word) for word in words]
    more = len(named) - MOST_WORDS_NAMED
    return ", ".join(named[:MOST_WORDS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
