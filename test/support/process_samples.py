"""What Linux tells of another process: its memory, threads and open files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1e6


@dataclass(frozen=True)
class ProcessSample:
    """One process at one moment. Memory in MB (10^6 bytes)."""

    #: Resident, with what is shared or of files.
    rss: float
    #: Resident, shared pages divided by those who share them.
    pss: float
    #: Resident and of no file: heap, stacks, arenas.
    anonymous: float
    #: The most that was ever resident.
    peak: float
    threads: int
    files: int
    #: Of all threads so far, s.
    cpu_s: float


def process_sample(pid: int) -> ProcessSample:
    """Measure a process. Raises OSError if it has ended."""
    folder = Path(f"/proc/{pid}")
    status = (folder / "status").read_text(encoding="utf-8", errors="replace")
    shared = (folder / "smaps_rollup").read_text(encoding="utf-8", errors="replace")
    stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return ProcessSample(
        rss=_megabytes("VmRSS", status),
        pss=_megabytes("Pss", shared),
        anonymous=_megabytes("Anonymous", shared),
        peak=_megabytes("VmHWM", status),
        threads=_number("Threads", status),
        files=len(os.listdir(folder / "fd")),  # noqa: PTH208, pathlib would make a Path of each
        cpu_s=(int(user) + int(system)) / os.sysconf("SC_CLK_TCK"),
    )


def _megabytes(field: str, text: str) -> float:
    return _number(field, text) * 1024 / MEGABYTE


def _number(field: str, text: str) -> int:
    found = re.search(rf"^{field}:\s*(\d+)", text, re.MULTILINE)
    if found is None:  # it ended between two of the files
        raise ProcessLookupError(f"no {field} in what Linux says of the process")
    return int(found[1])
