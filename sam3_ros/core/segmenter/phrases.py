"""Several phrases in one text: what separates them, wherever a person may write a text.

The same for the command line, the topics, the parameter, the launch argument, a replay's prompts
and a str that the library is given. A ConceptPrompt is one phrase, whatever is in it.
"""

from __future__ import annotations

import re
from html.entities import html5

from sam3_ros.core.errors import PromptError
from sam3_ros.core.segmenter.text_cleaning import cleaned_as_clip

SEPARATOR = ";"
# Also as keyboards for Chinese and Japanese type it.
_SEPARATORS = re.compile("[;\uff1b]")
# Entities of entities, such as &amp;lt; are resolved too, so their semicolons count as well.
_ENTITY = re.compile(r"&((?:amp;)*)(#[0-9]+;|#[xX][0-9a-fA-F]+;|[A-Za-z][A-Za-z0-9]*;)")
# A comma between digits and a dot inside of a word or number separate nothing anywhere.
_LOOKS_LIKE_ONE = re.compile(r"[,\u3001](?!\d)|[.\u3002](?=\s|$)")


def split_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases between semicolons, each once, without empty ones; none for a blank text.

    The semicolon of an HTML entity such as &amp; separates nothing. White space in a phrase
    becomes single spaces; else it stays as it was written.
    """
    inside = _semicolons_of_entities(text)
    cuts = [found.start() for found in _SEPARATORS.finditer(text) if found.start() not in inside]
    begins, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, len(text)]
    parts = (" ".join(text[begin:end].split()) for begin, end in zip(begins, ends, strict=True))
    return tuple(dict.fromkeys(filter(None, parts)))


def required_phrases(text: str) -> tuple[str, ...]:
    """Return split_phrases. Raises PromptError for a text that has none, or that is no str."""
    if not isinstance(text, str):
        raise PromptError(f"a text prompt must be a str, got {type(text).__name__}")
    phrases = split_phrases(text)
    if not phrases:
        raise PromptError(
            f'a text prompt must not be blank: give a word such as "cube", not {text!r}'
        )
    return phrases


def separator_remark(phrase: str) -> str:
    """Return a word on what looks like a separator in one phrase; empty where nothing does."""
    if len(split_phrases(phrase)) > 1:
        return (
            f"{phrase!r} is asked as one phrase, because it is one prompt: make each part a "
            "prompt of its own"
        )
    found = _LOOKS_LIKE_ONE.search(cleaned_as_clip(phrase))
    if found is None:
        return ""
    return (
        f"{phrase!r} is asked as one phrase, with its {found[0]!r}: phrases are separated by "
        f"{SEPARATOR!r}"
    )


def _semicolons_of_entities(text: str) -> set[int]:
    """Return where the text has semicolons that end an HTML entity."""
    places = set()
    for found in _ENTITY.finditer(text):
        is_entity = found[2].startswith("#") or found[2] in html5
        end = found.end() if is_entity else found.end(1)
        places |= {at for at in range(found.start(), end) if text[at] == ";"}
    return places
