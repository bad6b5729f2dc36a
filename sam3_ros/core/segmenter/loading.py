"""How the stages of a bundle get their sessions, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from sam3_ros.core.backends.engine_cache import EngineCache, StageModel, builds_engines
from sam3_ros.core.backends.providers import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import StageFile
from sam3_ros.core.errors import BackendError
from sam3_ros.core.stages.order import StageSpec
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.stages.session import OpenSession, Session, SessionOptions
from sam3_ros.core.stages.shapes import shape_profile


@dataclass(frozen=True)
class LoadProgress:
    """The stage that is about to be loaded."""

    stage: str
    #: Its place among the stages to load, from 1 to `count`.
    number: int
    count: int
    #: Of its files.
    bytes: int

    def __str__(self) -> str:
        megabytes = (
            f"{self.bytes / 1e6:.3g} MB" if self.bytes < 1e9 else f"{self.bytes / 1e9:.3g} GB"
        )
        return f"stage {self.number} of {self.count}, {self.stage}, {megabytes}"


OnProgress: TypeAlias = Callable[[LoadProgress], None]


class StageLoading:
    """Opens the session of each stage of a bundle as a plan says."""

    def __init__(
        self,
        bundle: Bundle,
        plan: StagePlan,
        options: SessionOptions,
        open_session: OpenSession,
        engine_cache: Path | None,
    ) -> None:
        """engine_cache: folder for the engines that a backend builds, None to keep none.

        Raises BackendError for CUDA graphs where no stage runs on a GPU.
        """
        self._bundle = bundle
        self.plan = plan
        self._options = options
        self._open_session = open_session
        if options.cuda_graphs:
            _require_gpu(plan, bundle)
        self._cache = None if engine_cache is None else EngineCache(engine_cache, open_session)

    @property
    def threads(self) -> int | None:
        """As in SessionOptions."""
        return self._options.threads

    def steps(self) -> Iterator[LoadProgress]:
        """Yield each stage to load, in the manifest's order."""
        names = self._bundle.manifest.stages_to_load(self.plan)
        for number, name in enumerate(names, start=1):
            file = self._bundle.manifest.stages[name].file_for(self.plan.of(name))
            yield LoadProgress(name, number, len(names), 0 if file is None else _bytes_of(file))

    def open(self, stage: StageSpec) -> Session:
        """Open the session of a stage.

        Raises BackendError, and PrecisionError for a stage that has no file of the precision.
        """
        choice = self.plan.of(stage.name)
        path = self._bundle.chosen_file(stage.name, choice)
        compute = "stored" if choice.precision == choice.file_precision else choice.precision
        options = replace(self._options, compute=compute, file_precision=choice.file_precision)
        if builds_engines(choice.backend):
            names = {name: canonical for canonical, name in stage.inputs.items()}
            options = replace(options, shapes=shape_profile(path, names))
        if self._cache is None:
            return self._open_session(path, choice.backend, options)
        return self._cache.open(self._model(stage.name, path), choice.backend, options)

    def _model(self, name: str, path: Path) -> StageModel:
        manifest = self._bundle.manifest
        choice = self.plan.of(name)
        file = manifest.stages[name].file_for(choice)
        assert file is not None  # `open` has found its path
        return StageModel(
            path=path,
            bundle=manifest.name,
            stage=name,
            precision=choice.precision,
            sha256=(file.sha256, *(each.sha256 for each in file.data)),
            bytes=_bytes_of(file),
            input_size=(manifest.preprocessing.height, manifest.preprocessing.width),
        )


def _require_gpu(plan: StagePlan, bundle: Bundle) -> None:
    """Raise BackendError where no stage could have a CUDA graph."""
    choices = {plan.of(stage) for stage in bundle.manifest.stages_to_judge}
    if not any(choice.backend in BACKENDS_ON_GPU for choice in choices):
        told = ", ".join(sorted(map(str, choices)))
        raise BackendError(
            f"cuda_graphs is for backends {', '.join(BACKENDS_ON_GPU)}, and all stages are to "
            f"run on {told}: leave it off, or choose another backend"
        )


def _bytes_of(file: StageFile) -> int:
    return file.bytes + sum(each.bytes for each in file.data)
