"""Tables are plain text in a pipe, coloured on a terminal, and never cut or wrapped."""

from __future__ import annotations

import io
import sys

import pytest

from sam3_ros.cli.table import left, readable_size, right, table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make standard output a terminal of 20 columns."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_words_are_left_and_numbers_right() -> None:
    lines = table([left("prompt"), right("frames"), left()], [("cube", 5, "new"), ("ball", 12)], 2)

    assert lines == ["  prompt  frames", "  cube         5  new", "  ball        12"]


def test_without_headings_there_is_no_line_for_them() -> None:
    assert table([left(), right()], [("files", 3), ("size", None)]) == ["files  3", "size"]
    assert table([left(), right()], []) == []


@pytest.mark.parametrize("text", ["[bold]cube[/bold]", "[/]", ":smile:", "http://x", "café"])
def test_a_cell_is_shown_as_it_is(text: str) -> None:
    assert table([left(text)], [(text,)]) == [text, text]


def test_a_row_is_one_line() -> None:
    assert table([left(), left()], [("two\nlines", "end")]) == ["two lines  end"]


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_nothing_is_cut_or_wrapped(term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")  # this is no terminal all the same

    assert table([left(), left()], [("a" * 150, "b" * 150)]) == [f"{'a' * 150}  {'b' * 150}"]


def test_a_terminal_shows_headings_bold_and_verdicts_in_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use_terminal(monkeypatch)
    heading, line = table([left("check", FAIL="red")], [("FAIL",)])

    assert heading == "\x1b[1mcheck\x1b[0m"
    assert line == "\x1b[31mFAIL \x1b[0m"


def test_a_narrow_terminal_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    use_terminal(monkeypatch)
    (line,) = table([left(), left()], [("a" * 50, "b" * 50)])

    assert line == f"{'a' * 50}  {'b' * 50}"


@pytest.mark.parametrize(
    ("size", "shown"), [(300, "0.3 kB"), (1_500_000, "1.50 MB"), (2_000_000_000, "2.00 GB")]
)
def test_sizes_have_a_unit_to_read(size: int, shown: str) -> None:
    assert readable_size(size) == shown
