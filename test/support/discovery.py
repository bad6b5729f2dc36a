"""What the graph shows of a node: names and endpoints that DDS discovers one by one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

# A busy machine discovers late, and a lost announcement comes again seconds later.
DISCOVERY_S = 60.0
_BETWEEN_LOOKS_S = 0.5

Seen = TypeVar("Seen")


def discovered(look: Callable[[], Seen | None], is_complete: Callable[[Seen], bool]) -> Seen:
    """Look until what is seen is complete, and the same twice, 0.5 s apart; return it.

    What does not get complete is returned as it is after DISCOVERY_S: the caller compares. The
    second look is for what should not be there. look: returns None while the graph does not know
    the node.
    """
    end = time.monotonic() + DISCOVERY_S
    before = None
    while True:
        now = look()
        is_settled = now is not None and now == before and is_complete(now)
        if is_settled or time.monotonic() > end:
            assert now is not None, f"the graph did not know the node within {DISCOVERY_S:g} s"
            return now
        before = now
        time.sleep(_BETWEEN_LOOKS_S)
