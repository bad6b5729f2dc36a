"""Who runs, as Linux tells it."""

from __future__ import annotations

from multiprocessing import resource_tracker
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children that still run.

    The resource tracker, which Python's multiprocessing starts with its first process and keeps, is
    left out.
    """
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for file in lists for child in file.read_text().split()]
    kept = getattr(resource_tracker._resource_tracker, "_pid", None)
    return [child for child in found if is_running(child) and child != kept]


def is_running(pid: int) -> bool:
    """Return whether a process runs; a zombie, which has ended and was not waited for, does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
