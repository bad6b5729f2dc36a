"""How many workers this machine has room for: cores or GPUs, and memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.label.job import LabelJob

_GPUS, _MEMORY = Path("/proc/driver/nvidia/gpus"), Path("/proc/meminfo")
# What a worker takes: its libraries, and a model twice: its weights, and what it works in.
_LIBRARIES, _TIMES = 300_000_000, 2
# The part of the free memory that workers may fill.
_FILLED = 0.8


def default_workers(job: LabelJob) -> int:
    """Return one for each GPU, or as many as keep the cores busy and fit into the free memory."""
    backends = {job.plan.default.backend, *(each.backend for each in job.plan.stages.values())}
    if backends & set(BACKENDS_ON_GPU):
        return max(1, visible_gpus())
    by_cores = len(os.sched_getaffinity(0)) // job.threads
    by_memory = int(_free_memory() * _FILLED) // bytes_of_a_worker(job)
    return max(1, min(by_cores, by_memory))


def bytes_of_a_worker(job: LabelJob) -> int:
    """Return about how much memory a worker takes. Raises BundleError, PrecisionError."""
    bundle = Bundle.checked_before(Path(job.bundle))
    stages = bundle.manifest.stages_to_load(job.plan)
    files = {bundle.chosen_file(stage, job.plan.of(stage)) for stage in stages}
    return _LIBRARIES + _TIMES * sum(file.stat().st_size for file in files)


def visible_gpus() -> int:
    """Return how many NVIDIA GPUs this process may use, as far as the driver tells."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return len([each for each in chosen.split(",") if each.strip() not in ("", "-1")])
    return len(list(_GPUS.glob("*/information")))


def _free_memory() -> int:
    """Return the bytes that can be had without swapping."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _MEMORY.read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else 1 << 62
