"""What this machine can do at best, measured in the same run as what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sam3_ros.core.backends.machine import cpu_model
from sam3_ros.core.bench.bandwidth import bandwidth_gb_s, usable_cores
from sam3_ros.core.bench.gemm import peak_gflops
from sam3_ros.core.bench.roofline import MachineLimits
from sam3_ros.core.bench.setup import Setup, engine_name
from sam3_ros.core.stage_plan import StageChoice


@dataclass(frozen=True)
class MachineFigures:
    """gemm_gflops: by engine, such as "cpu fp32"; bandwidth_gb_s: of the host's memory."""

    cpu: str
    cores: int
    gemm_gflops: Mapping[str, float]
    bandwidth_gb_s: float

    def limits(self, choice: StageChoice) -> MachineLimits:
        """Of a stage that is run so."""
        return MachineLimits(self.gemm_gflops[engine_name(choice)], self.bandwidth_gb_s)

    def better_of(self, other: MachineFigures) -> MachineFigures:
        """A limit is the best that was ever seen: what else ran can only have made it worse."""
        gemm = {name: max(g, other.gemm_gflops[name]) for name, g in self.gemm_gflops.items()}
        gb_s = max(self.bandwidth_gb_s, other.bandwidth_gb_s)
        return MachineFigures(self.cpu, self.cores, gemm, gb_s)


def measure_machine(setup: Setup, stages: Iterable[str]) -> MachineFigures:
    """With the engines and threads that these stages run with. Raises BackendError."""
    engines = setup.engines(stages)
    gemm = {name: round(peak_gflops(*engine), 2) for name, engine in engines.items()}
    gb_s = round(bandwidth_gb_s(setup.threads), 2)
    return MachineFigures(cpu_model(), usable_cores(), gemm, gb_s)
