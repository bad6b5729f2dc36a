"""Measures this machine's peak and memory bandwidth in the same run as the stages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam3_ros.bench.instruments.cores import usable_cores
from sam3_ros.bench.instruments.device_limits import DeviceFigures, measure_device
from sam3_ros.bench.instruments.gemm import peak_gflops
from sam3_ros.bench.instruments.roofline import MachineLimits
from sam3_ros.bench.setup import Setup, engine_name, is_on_gpu
from sam3_ros.core.backends.machine import cpu_model
from sam3_ros.core.stages.plan import StageChoice

REPEATS = 3
_LEAST_BYTES, _MOST_BYTES = 64 * 2**20, 256 * 2**20
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MachineFigures:
    """This machine's limits."""

    #: The CPU's model.
    cpu: str
    #: Cores that this process may use.
    cores: int
    #: Peak of matrix products, GFLOP a second, by engine, such as "cpu fp32".
    gemm_gflops: Mapping[str, float]
    #: Of the host's memory, 1e9 bytes a second.
    bandwidth_gb_s: float
    #: The cards, by the backend in use.
    devices: Mapping[str, DeviceFigures] = field(default_factory=dict)

    def limits(self, choice: StageChoice) -> MachineLimits | None:
        """Return the limits of a stage with this choice; None where they were not measured."""
        if is_on_gpu(choice):
            device = self.devices.get(choice.backend)
            return None if device is None else device.limits(choice.precision)
        return MachineLimits(self.gemm_gflops[engine_name(choice)], self.bandwidth_gb_s)

    def better_of(self, other: MachineFigures) -> MachineFigures:
        """Take the better of each figure: other load can only have made one worse."""
        gemm = {name: max(g, other.gemm_gflops[name]) for name, g in self.gemm_gflops.items()}
        gb_s = max(self.bandwidth_gb_s, other.bandwidth_gb_s)
        devices = {name: d.better_of(other.devices[name]) for name, d in self.devices.items()}
        return replace(self, gemm_gflops=gemm, bandwidth_gb_s=gb_s, devices=devices)

    def document(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "gemm_gflops": dict(self.gemm_gflops),
            "bandwidth_gb_s": self.bandwidth_gb_s,
            "devices": {name: device.document() for name, device in self.devices.items()},
        }


def measure_machine(setup: Setup, stages: Iterable[str]) -> MachineFigures:
    """Measure with the engines and threads of these stages, and the cards that they run on.

    Raises BackendError for an engine on the CPU; what a card lacks is told in its figures.
    """
    names = list(stages)
    engines = setup.engines(names)
    gemm = {name: round(peak_gflops(*engine), 2) for name, engine in engines.items()}
    gb_s = round(bandwidth_gb_s(setup.threads), 2)
    on_gpu = dict.fromkeys(c.backend for c in map(setup.plan.of, names) if is_on_gpu(c))
    devices = {backend: measure_device(backend) for backend in on_gpu}
    return MachineFigures(cpu_model(), usable_cores(), gemm, gb_s, devices)


def bandwidth_gb_s(threads: int | None) -> float:
    """Measure memory bandwidth, 1e9 bytes a second, with so many threads (None: one a core).

    The best of REPEATS runs of STREAM's kernel "add" (cs.virginia.edu/stream): a = b + c over
    arrays that no cache holds, counted as 24 bytes an element.
    """
    workers = threads or usable_cores()
    elements = array_bytes() // 8 // workers * workers
    a, b, c = (np.full(elements, value, np.float64) for value in (0.0, 1.0, 2.0))
    parts = [tuple(np.split(array, workers)) for array in (a, b, c)]
    with ThreadPoolExecutor(workers) as pool:
        best = min(_seconds(pool, *parts) for _ in range(REPEATS))
    return 3 * a.nbytes / best / 1e9


def array_bytes() -> int:
    """Return the bytes of one array: four times the last cache, as STREAM asks, within bounds."""
    sizes = [_size(path.read_text()) for path in _CACHES.glob("index*/size")]
    return min(max(4 * max(sizes, default=0), _LEAST_BYTES), _MOST_BYTES)


def _seconds(
    pool: ThreadPoolExecutor,
    a: tuple[Doubles, ...],
    b: tuple[Doubles, ...],
    c: tuple[Doubles, ...],
) -> float:
    start = time.perf_counter()
    list(pool.map(_add, b, c, a))  # NumPy releases the GIL while it adds
    return time.perf_counter() - start


def _add(first: Doubles, second: Doubles, out: Doubles) -> None:
    np.add(first, second, out=out)


def _size(text: str) -> int:
    number, unit = text.strip()[:-1], text.strip()[-1]
    return int(number) * {"K": 2**10, "M": 2**20, "G": 2**30}[unit]
