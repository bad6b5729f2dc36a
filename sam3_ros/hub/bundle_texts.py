"""The texts beside a bundle that people read: its card, and notices that licences ask for.

A manifest does not list them, so no sum protects them; nothing reads them but people.
"""

from __future__ import annotations

from collections.abc import Iterable

BUNDLE_TEXTS = ("README.md", "CLIP-LICENSE.txt", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE")
MOST_TEXT_BYTES = 1_000_000


def texts_among(names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the names that are such texts."""
    return tuple(sorted(set(names).intersection(BUNDLE_TEXTS)))
