from __future__ import annotations

import pytest

from sam3_ros.cli.rows import one_row


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("table.jpg", "table.jpg"),
        ("new\nline\t.png", r"new\nline\t.png"),
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("ünï שלום 汉字", "ünï שלום 汉字"),
        ("\udcff.png", "\udcff.png"),
    ],
)
def test_control_characters_are_shown_as_escapes(text: str, shown: str) -> None:
    assert one_row(text) == shown
