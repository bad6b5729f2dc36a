"""Text from outside as a terminal, a log and a message may show it: seen, and not obeyed."""

from __future__ import annotations

import unicodedata

# Controls, marks without a width (they can turn the direction of writing, or hide words), halves of
# surrogate pairs, and the separators of lines and paragraphs.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Words and pictures are joined by these: they are part of how Persian and emoji are written.
_JOINERS = "\u200c\u200d"


def visible(text: str) -> str:
    """Return the text with what a terminal would obey or hide as escapes, such as \\n and \\x1b."""
    if text.isprintable():
        return text
    return "".join(
        ascii(character)[1:-1]
        if unicodedata.category(character) in _HIDDEN and character not in _JOINERS
        else character
        for character in text
    )
