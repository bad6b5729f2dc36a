"""How a benchmark runs its model, and sessions that record the shapes they ran on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sam3_ros.bench.device_clock import ClockOf, DeviceClock, device_clock
from sam3_ros.bench.measurement import WARM_UPS
from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import REFERENCE, StageChoice, StagePlan
from sam3_ros.core.stages.session import Array, DeviceSession, Session, SessionOptions, Tensor
from sam3_ros.core.stages.session_wrapper import WrappedOnDevice, WrappedSession
from sam3_ros.core.trial.trial import require_tried

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Setup:
    """How a benchmark runs its model; can be pickled for another process."""

    #: Name or folder.
    bundle: str
    #: What runs the stages that are not in `stages`.
    default: StageChoice = REFERENCE
    #: Stages with another choice than `default`.
    stages: tuple[tuple[str, StageChoice], ...] = ()
    #: Threads on the CPU, None for one a core.
    threads: int | None = None
    #: Whether sessions on a GPU replay CUDA graphs.
    cuda_graphs: bool = False

    @classmethod
    def of_plan(
        cls, bundle: str, plan: StagePlan, threads: int | None, cuda_graphs: bool = False
    ) -> Setup:
        """Build a setup from a plan, which itself cannot be pickled."""
        return cls(bundle, plan.default, tuple(plan.stages.items()), threads, cuda_graphs)

    @property
    def plan(self) -> StagePlan:
        return StagePlan(self.default, dict(self.stages))

    @property
    def least_warm_ups(self) -> int:
        """The calls to make before the first that counts, as Budget takes them."""
        choices = (self.default, *(choice for _, choice in self.stages))
        return WARM_UPS if any(map(is_on_gpu, choices)) else 1

    def engines(self, stages: Iterable[str]) -> dict[str, tuple[str, SessionOptions]]:
        """Return backend and session options of each way in which these stages compute on the CPU.

        By names such as "openvino bf16". A precision that only stores weights counts as fp32.
        """
        choices = [choice for choice in map(self.plan.of, stages) if not is_on_gpu(choice)]
        return {engine_name(choice): self._engine(choice) for choice in choices}

    def load(self, sessions: ObservedSessions | None = None) -> Segmenter:
        """Load the model. Raises as Segmenter.load does."""
        bundle = Bundle.open(self.bundle)
        require_tried(bundle, self.plan, self.threads)
        return Segmenter.load(
            bundle,
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
    """Name the backend and the precision in which it computes fp32 files."""
    own = choice.precision if choice.precision != choice.file_precision else "fp32"
    return f"{choice.backend} {own}"


@dataclass(frozen=True)
class StageRun:
    """One run of a model file."""

    #: The model file.
    path: Path
    #: Shapes by the input's name in the file.
    inputs: Mapping[str, Shape]
    #: Bytes of all inputs and outputs.
    bytes_moved: int
    #: Waits for its end and returns the ms that it took on a device; None where that is not timed.
    device_ms: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", MappingProxyType(dict(self.inputs)))


class ObservedSessions:
    """An OpenSession whose sessions record their runs."""

    def __init__(self, clock_of: ClockOf = device_clock) -> None:
        """clock_of: finds what times a device, by the device's name."""
        #: Since the last `clear`.
        self.runs: list[StageRun] = []
        self._clock_of = clock_of

    def __call__(self, path: Path, backend: str, options: SessionOptions) -> Session:
        real = open_session(path, backend, options)
        if isinstance(real, DeviceSession):
            return _ObservedOnDevice(path, real, self.runs, self._clock_of(real.device))
        return _Observed(path, real, self.runs)

    def clear(self) -> None:
        self.runs.clear()


class _Observed(WrappedSession):
    """A session whose runs are recorded."""

    def __init__(self, path: Path, real: Session, runs: list[StageRun]) -> None:
        super().__init__(real)
        self._path = path
        self._runs = runs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        results = super().run(feeds)
        self._record(feeds, results)
        return results

    def _record(
        self,
        feeds: Mapping[str, Tensor],
        results: Mapping[str, Tensor],
        device_ms: Callable[[], float] | None = None,
    ) -> None:
        shapes = {name: tuple(value.shape) for name, value in feeds.items()}
        moved = sum(value.nbytes for value in (*feeds.values(), *results.values()))
        self._runs.append(StageRun(self._path, shapes, moved, device_ms))


class _ObservedOnDevice(_Observed, WrappedOnDevice):
    """The same for a session whose tensors may stay in a device's memory; timed there too."""

    def __init__(
        self, path: Path, real: DeviceSession, runs: list[StageRun], clock: DeviceClock | None
    ) -> None:
        super().__init__(path, real, runs)
        self._clock = clock

    def run_on_device(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        clock = self._clock
        if clock is None:
            results = super().run_on_device(feeds)
            self._record(feeds, results)
            return results
        begin = clock.record()
        results = super().run_on_device(feeds)
        end = clock.record()
        self._record(feeds, results, lambda: clock.milliseconds_between(begin, end))
        return results
