"""Why frames failed, in words: texts that differ only in their numbers count as one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

_NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
# Bounds what is published with each message on /diagnostics.
_KINDS_KEPT, _LONGEST = 8, 300
OTHERS = "of other reasons, which the log has"


class FailureReasons:
    """Counts texts of errors; the first of its kind stands for the others. Not thread-safe."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Count an error."""
        words = " ".join(text.split())
        kind = _NUMBER.sub("#", words)
        if kind not in self._texts and len(self._texts) >= _KINDS_KEPT:
            kind = words = OTHERS
        shortened = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 3]}..."
        self._counts[self._texts.setdefault(kind, shortened)] += 1

    def counts(self) -> Mapping[str, int]:
        """Return a copy: how many frames failed, by text."""
        return dict(self._counts)
