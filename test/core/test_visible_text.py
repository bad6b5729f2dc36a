"""Text from outside is shown, and not obeyed."""

from __future__ import annotations

import pytest

from sam3_ros.core.visible_text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("table.jpg", "table.jpg"),
        ("new\nline\t.png", r"new\nline\t.png"),
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("\x1b]52;c;cm0=\x07\x7f", r"\x1b]52;c;cm0=\x07\x7f"),
        ("ab\u202edc\u2066\u200f", r"ab\u202edc\u2066\u200f"),
        ("a\u2028b\u2029c\x85", r"a\u2028b\u2029c\x85"),
        ("hidden\U000e0041\ufeff", r"hidden\U000e0041\ufeff"),
        ("\udcff.png", r"\udcff.png"),
        ("ünï שלום 汉字\u3000é", "ünï שלום 汉字\u3000é"),
        ("نمی\u200cبیند 👩\u200d🔬", "نمی\u200cبیند 👩\u200d🔬"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown
