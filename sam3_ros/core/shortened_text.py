"""Text of any length as an error quotes it."""

from __future__ import annotations


def shortened(message: str, limit: int = 300) -> str:
    """Return the message in one line, cut to a number of characters."""
    line = " ".join(message[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
