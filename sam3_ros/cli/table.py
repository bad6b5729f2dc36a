"""Tables for people, laid out by rich: plain text in a pipe or file, with colour on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Literal

from sam3_ros.core.visible_text import visible

#: Wider than any table, so that rich neither cuts nor wraps a cell. Without a height as well, rich
#: takes 80 columns for a dumb terminal.
_UNLIMITED = 100_000
_GAP = 2


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    heading: str = ""
    justify: Literal["left", "right"] = "left"
    #: rich's style of some values, by the cell's text; seen on a terminal only.
    styles: Mapping[str, str] = field(default_factory=dict)


def left(heading: str = "", **styles: str) -> Column:
    """Return a column for words. styles: rich's style by the cell's text, such as FAIL="red"."""
    return Column(heading, "left", styles)


def right(heading: str = "") -> Column:
    """Return a column for numbers."""
    return Column(heading, "right")


def readable_size(size: int) -> str:
    """Return a number of bytes in kB, MB or GB."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if size >= step:
            return f"{size / step:.2f} {unit}"
    return f"{size / 1e3:.1f} kB"


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[object]], indent: int = 0
) -> list[str]:
    """Return a table as lines: the headings, unless all are empty, then one line per row.

    A row may have fewer cells than there are columns; None is an empty cell. Line breaks in a cell
    become spaces, and what a terminal would obey is shown as escapes. A cell is never read as
    markup, and nothing is cut or wrapped. The lines hold escape codes of our own only if standard
    output is a terminal that shows colours.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    def cell(value: object, styles: Mapping[str, str]) -> Text:
        text = "" if value is None else visible(" ".join(str(value).splitlines()))
        return Text(text, styles.get(text, ""))

    has_headings = any(column.heading for column in columns)
    laid_out = Table(
        box=None,
        show_header=has_headings,
        header_style="bold",
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
    )
    for column in columns:
        laid_out.add_column(Text(column.heading), justify=column.justify, no_wrap=True)
    count = 0
    for row in rows:
        cells = [cell(value, column.styles) for column, value in zip(columns, row, strict=False)]
        laid_out.add_row(*cells)
        count += 1
    if not count and not has_headings:
        return []
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    lines = StringIO()
    console = Console(file=lines, width=_UNLIMITED, height=25, force_terminal=on_terminal)
    console.print(Padding(laid_out, (0, 0, 0, indent), expand=False))
    return [line.rstrip() for line in lines.getvalue().splitlines()]
