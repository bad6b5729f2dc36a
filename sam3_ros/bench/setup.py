"""How a bench runs its model, in a form that another process can be given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam3_ros.bench.observed_sessions import ObservedSessions
from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import SessionOptions


@dataclass(frozen=True)
class Setup:
    """bundle: name or folder. stages: choices that differ from `default`. threads: None for all."""

    bundle: str
    default: StageChoice = REFERENCE
    stages: tuple[tuple[str, StageChoice], ...] = ()
    threads: int | None = None
    cuda_graphs: bool = False

    @classmethod
    def of_plan(
        cls, bundle: str, plan: StagePlan, threads: int | None, cuda_graphs: bool = False
    ) -> Setup:
        """A plan itself cannot be sent to another process."""
        return cls(bundle, plan.default, tuple(plan.stages.items()), threads, cuda_graphs)

    @property
    def plan(self) -> StagePlan:
        return StagePlan(self.default, dict(self.stages))

    def engines(self, stages: Iterable[str]) -> dict[str, tuple[str, SessionOptions]]:
        """The different ways to compute on the CPU that these stages need: backend and options, by
        a name such as "openvino bf16". Precisions that are only stored otherwise count as fp32."""
        choices = [choice for choice in map(self.plan.of, stages) if not is_on_gpu(choice)]
        return {engine_name(choice): self._engine(choice) for choice in choices}

    def load(self, sessions: ObservedSessions | None = None) -> Segmenter:
        """Raises as Segmenter.load does."""
        return Segmenter.load(
            self.bundle,
            threads=self.threads,
            open_session=sessions or ObservedSessions(),
            plan=self.plan,
            cuda_graphs=self.cuda_graphs,
        )

    def _engine(self, choice: StageChoice) -> tuple[str, SessionOptions]:
        compute = "stored" if choice.precision == choice.file_precision else choice.precision
        return choice.backend, SessionOptions(threads=self.threads, compute=compute)


def is_on_gpu(choice: StageChoice) -> bool:
    return choice.backend in BACKENDS_ON_GPU


def engine_name(choice: StageChoice) -> str:
    """Backend, and the precision that it computes fp32 files in."""
    own = choice.precision if choice.precision != choice.file_precision else "fp32"
    return f"{choice.backend} {own}"
