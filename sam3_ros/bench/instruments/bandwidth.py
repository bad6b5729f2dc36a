"""How fast memory is read and written, as STREAM measures it (cs.virginia.edu/stream).

Its kernel "add": a = b + c over arrays that no cache holds, counted as 24 bytes an element.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

REPEATS = 3
_LEAST_BYTES, _MOST_BYTES = 64 * 2**20, 256 * 2**20
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

Doubles = npt.NDArray[np.float64]


def usable_cores() -> int:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def bandwidth_gb_s(threads: int | None) -> float:
    """GB (1e9 bytes) a second with so many threads (None: one a core), best of some runs."""
    workers = threads or usable_cores()
    elements = array_bytes() // 8 // workers * workers
    a, b, c = (np.full(elements, value, np.float64) for value in (0.0, 1.0, 2.0))
    parts = [tuple(np.split(array, workers)) for array in (a, b, c)]
    with ThreadPoolExecutor(workers) as pool:
        best = min(_seconds(pool, *parts) for _ in range(REPEATS))
    return 3 * a.nbytes / best / 1e9


def array_bytes() -> int:
    """Of one array: four times the last cache, as STREAM asks for, within reason."""
    sizes = [_size(path.read_text()) for path in _CACHES.glob("index*/size")]
    return min(max(4 * max(sizes, default=0), _LEAST_BYTES), _MOST_BYTES)


def _seconds(
    pool: ThreadPoolExecutor,
    a: tuple[Doubles, ...],
    b: tuple[Doubles, ...],
    c: tuple[Doubles, ...],
) -> float:
    start = time.perf_counter()
    list(pool.map(_add, b, c, a))  # NumPy lets go of the interpreter while it adds
    return time.perf_counter() - start


def _add(first: Doubles, second: Doubles, out: Doubles) -> None:
    np.add(first, second, out=out)


def _size(text: str) -> int:
    number, unit = text.strip()[:-1], text.strip()[-1]
    return int(number) * {"K": 2**10, "M": 2**20, "G": 2**30}[unit]
