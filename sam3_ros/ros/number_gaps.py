"""Messages that were sent and did not arrive, missed by the numbers that DDS gives them."""

from __future__ import annotations

from collections import deque

# Publishers of which the last number is known.
_PUBLISHERS = 16
# Of each publisher, the missing numbers that may still come.
_MAY_COME = 64


class NumberGaps:
    """The gaps between the numbers that each publisher of a topic gives its messages."""

    def __init__(self) -> None:
        self._latest: dict[bytes, int] = {}
        self._missing: dict[bytes, deque[int]] = {}

    def note(self, publisher: bytes, number: int) -> int:
        """Note a message; return how many are lost before it, -1 for one that comes late.

        publisher, number: DDS's id of what has sent it, and the number that this gave it.
        """
        latest = self._latest.get(publisher, number - 1)
        missing = self._missing.setdefault(publisher, deque(maxlen=_MAY_COME))
        if number <= latest:
            if number not in missing:
                return 0
            missing.remove(number)
            return -1
        missing.extend(range(max(latest + 1, number - _MAY_COME), number))
        self._latest[publisher] = number
        if len(self._latest) > _PUBLISHERS:
            oldest = next(iter(self._latest))
            del self._latest[oldest], self._missing[oldest]
        return number - latest - 1
