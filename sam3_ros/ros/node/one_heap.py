"""One heap for all threads; to be imported before rclpy, whose threads begin then.

glibc gives new threads heaps of their own, which it calls arenas, up to eight a core. It keeps the
last 64 MiB of each, even when it is told to return memory. Each configuration brings new threads: a
node that was configured a hundred times held 400 MB that nobody used. The first heap gives
everything back. Its lock is hardly ever waited for, because Python's own lets one thread allocate
at a time.

Whoever sets MALLOC_ARENA_MAX has as many as that. No effect with another C library.
"""

from __future__ import annotations

import ctypes
import os

# <malloc.h>
_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Let glibc make no further heap in this process."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(_M_ARENA_MAX, 1)


share_one_heap()
