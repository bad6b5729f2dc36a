"""The memory that a process uses."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.device_stream import CardMemory, streams_in_use


@dataclass(frozen=True)
class MemoryUse:
    """Bytes; None if the system does not report them."""

    resident: int | None
    resident_peak: int | None
    #: Of this process on all GPUs.
    gpu: int | None
    #: Of each GPU that the process uses, by its index.
    cards: Mapping[int, CardMemory] = field(default_factory=dict)


def memory_use(ask_gpu: bool) -> MemoryUse:
    """Measure this process. ask_gpu: query the GPU too, as a backend runs on it."""
    resident, peak = resident_bytes("self")
    if not ask_gpu:
        return MemoryUse(resident, peak, None)
    return MemoryUse(resident, peak, _gpu_bytes(), _card_bytes())


def resident_bytes(process: int | str) -> tuple[int | None, int | None]:
    """Return the present and the peak value, bytes; None if the system does not report them.

    process: its id, or "self".
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux, or it has ended
        status = ""
    return _bytes_of("VmRSS", status), _bytes_of("VmHWM", status)


def _bytes_of(field: str, status: str) -> int | None:
    found = re.search(rf"^{field}:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


@cache
def _nvml() -> Any:
    """Return NVIDIA's management library, None without it (`pip install nvidia-ml-py`)."""
    try:
        library = import_module("pynvml")
        library.nvmlInit()
    except Exception:  # not installed, no driver, or a board without it
        return None
    return library


def _gpu_bytes() -> int | None:
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        used = [
            process.usedGpuMemory
            for index in range(nvml.nvmlDeviceGetCount())
            for process in nvml.nvmlDeviceGetComputeRunningProcesses(
                nvml.nvmlDeviceGetHandleByIndex(index)
            )
            if process.pid == os.getpid()
        ]
    except nvml.NVMLError:
        return None
    # In a container the process has another number there, and on some systems no figure.
    return sum(used) if used and None not in used else None


# While a run is waited for, the stream is in use: then the figures before are given.
_last_cards: dict[int, CardMemory] = {}


def _card_bytes() -> Mapping[int, CardMemory]:
    for stream in streams_in_use():
        if (found := stream.card_memory()) is not None:
            _last_cards[stream.index] = found
    return dict(sorted(_last_cards.items()))
