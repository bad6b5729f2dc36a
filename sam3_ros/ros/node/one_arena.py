"""One heap for all threads; to be imported before rclpy, whose threads begin then.

glibc gives new threads arenas of their own, up to eight a core, and keeps the last 64 MiB of each,
even when it is told to return memory: each configuration brings new threads, and a node that was
configured a hundred times held 400 MB that nobody used. The first arena gives everything back.
Python's lock lets only one thread allocate at most times, so they hardly wait for each other.

Whoever sets MALLOC_ARENA_MAX has it as set. No effect with another C library.
"""

from __future__ import annotations

import ctypes
import os

# <malloc.h>
_M_ARENA_MAX = -8


def share_one_arena() -> None:
    """Let glibc make no further arena in this process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)


share_one_arena()
