"""What this machine can do at best, measured in the same run as what it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sam3_ros.bench.instruments.bandwidth import bandwidth_gb_s, usable_cores
from sam3_ros.bench.instruments.gemm import peak_gflops
from sam3_ros.bench.instruments.roofline import MachineLimits
from sam3_ros.bench.setup import Setup, engine_name, is_on_gpu
from sam3_ros.core.backends.machine import cpu_model
from sam3_ros.core.stages.plan import StageChoice


@dataclass(frozen=True)
class MachineFigures:
    """gemm_gflops: by engine, such as "cpu fp32"; bandwidth_gb_s: of the host's memory.

    not_measured: the backends in use of whose device neither is known.
    """

    cpu: str
    cores: int
    gemm_gflops: Mapping[str, float]
    bandwidth_gb_s: float
    not_measured: tuple[str, ...] = ()

    def limits(self, choice: StageChoice) -> MachineLimits | None:
        """Of a stage that is run so; None where they are not measured."""
        if choice.backend in self.not_measured:
            return None
        return MachineLimits(self.gemm_gflops[engine_name(choice)], self.bandwidth_gb_s)

    def better_of(self, other: MachineFigures) -> MachineFigures:
        """A limit is the best that was ever seen: what else ran can only have made it worse."""
        gemm = {name: max(g, other.gemm_gflops[name]) for name, g in self.gemm_gflops.items()}
        gb_s = max(self.bandwidth_gb_s, other.bandwidth_gb_s)
        return replace(self, gemm_gflops=gemm, bandwidth_gb_s=gb_s)


def measure_machine(setup: Setup, stages: Iterable[str]) -> MachineFigures:
    """With the engines and threads that these stages run with; on a GPU nothing is measured.

    Raises BackendError.
    """
    names = list(stages)
    engines = setup.engines(names)
    gemm = {name: round(peak_gflops(*engine), 2) for name, engine in engines.items()}
    gb_s = round(bandwidth_gb_s(setup.threads), 2)
    on_gpu = dict.fromkeys(c.backend for c in map(setup.plan.of, names) if is_on_gpu(c))
    return MachineFigures(cpu_model(), usable_cores(), gemm, gb_s, tuple(on_gpu))
