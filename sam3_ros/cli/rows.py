"""Text from files' names and prompts, as a row that a terminal shows and does not obey."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def one_row(text: str) -> str:
    """Return the text with its control characters as escapes, such as \\n and \\x1b."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)
