"""What another process has used of the machine, as Linux tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sam3_ros.ros.health.memory import resident_bytes

# Fields of /proc/PID/stat after the name in brackets, counted from its state (proc(5)).
_USER_TICKS, _SYSTEM_TICKS = 11, 12


@dataclass(frozen=True)
class ProcessUse:
    """cpu_seconds: of all its threads so far. Resident: bytes, now and the most so far."""

    cpu_seconds: float
    resident: int
    resident_peak: int


def process_use(pid: int) -> ProcessUse:
    """Raises OSError if there is no such process."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    fields = stat.rpartition(")")[2].split()
    ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    resident, peak = resident_bytes(pid)
    return ProcessUse(ticks / os.sysconf("SC_CLK_TCK"), resident or 0, peak or 0)
