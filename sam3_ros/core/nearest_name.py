"""A word on a name that was mistyped: the known one that is most like it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# A longer one is no slip of a finger, and to compare megabytes takes seconds.
_LONGEST = 256


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, whatever the capitals; None if none is."""
    if len(name) > _LONGEST:
        return None
    by_lower_case = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), by_lower_case, n=1)
    return by_lower_case[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error: "; did you mean 'cuda'?", or nothing if no name is like it."""
    nearest = nearest_name(name, known)
    return f"; did you mean {nearest!r}?" if nearest is not None else ""
