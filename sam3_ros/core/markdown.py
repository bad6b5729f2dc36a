"""Tables of Markdown, of text that may be a stranger's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sam3_ros.core.shortened_text import shortened
from sam3_ros.core.visible_text import visible

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\`*[]<>|#"})


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; short rows are filled up."""
    yield _row(headings)
    yield "|" + "---|" * len(headings)
    for row in rows:
        yield _row([*row, *[""] * (len(headings) - len(row))])


def plain(text: object, limit: int = 400) -> str:
    """Return text in one line, in which no letter is a mark of Markdown or HTML."""
    return shortened(visible(" ".join(str(text).split())), limit).translate(_MARKS)


def code(text: object, limit: int = 400) -> str:
    """Return text as code in a line."""
    return f"`{shortened(visible(str(text)), limit).replace('`', chr(39))}`"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    """Return a cell in which "|" does not end it; what `plain` has marked stays as it is."""
    return text.replace("\\|", "|").replace("|", "\\|")
