"""From the node's parameters to a model that may be used: loaded, and judged where it must be."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.engine_cache import default_engine_folder
from sam3_ros.core.backends.onnxruntime_session import loading_stops_python
from sam3_ros.core.backends.providers import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.verification import described_verification
from sam3_ros.core.precision.repair import Guarded, guard
from sam3_ros.core.segmenter.loading import LoadProgress
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.core.visible_text import visible
from sam3_ros.ros.locks import NodeLock
from sam3_ros.ros.node.process import signals_end_at_once
from sam3_ros.ros.parameters.configuration import NodeConfiguration
from sam3_ros.ros.parameters.values import ParameterError

NOT_JUDGED = "not needed: fp32 on the CPU"
_CORE_LOG = logging.getLogger("sam3_ros.core")


class LoadingStatus:
    """What is being loaded; written by the thread that loads, read by any."""

    def __init__(self) -> None:
        self._lock = NodeLock.LOADING_STATUS.make()
        self._what = ""
        self._since = 0.0

    def begin(self, what: str) -> None:
        """Record that something else is loaded from now on."""
        with self._lock:
            self._what, self._since = what, time.monotonic()

    def step(self, progress: LoadProgress) -> None:
        self.begin(str(progress))

    def end(self) -> None:
        with self._lock:
            self._what = ""

    def describe(self) -> str:
        """Return, say, "stage 3 of 15, text, 120 MB, 4 s"; empty while nothing is loaded."""
        with self._lock:
            return f"{self._what}, {time.monotonic() - self._since:.0f} s" if self._what else ""


@dataclass(frozen=True)
class LoadedModel:
    """A segmenter that may be used."""

    segmenter: Segmenter
    #: Values for /diagnostics: of the bundle, and what the precision guard found.
    diagnostics: Mapping[str, str]

    @property
    def uses_gpu(self) -> bool:
        """Whether any stage runs on a GPU, after what the guard has reverted."""
        return uses_gpu(self.segmenter.plan, self.segmenter.bundle.manifest.stages_to_judge)


def uses_gpu(plan: StagePlan, stages: Iterable[str]) -> bool:
    """Return whether this plan runs any of these stages on a GPU."""
    return any(plan.of(stage).backend in BACKENDS_ON_GPU for stage in stages)


def load_model(settings: NodeConfiguration, logger: Any, status: LoadingStatus) -> LoadedModel:
    """Load what is configured; what is not fp32 on the CPU must pass the precision guard.

    Raises what Segmenter.load raises, and PrecisionError for a model that the guard refuses.
    """
    status.begin("the bundle's files, and its first run")
    try:
        with (
            core_log_in(logger),
            signals_end_at_once() if loading_stops_python() else nullcontext(),
        ):
            return _load(settings, status)
    finally:
        status.end()


def _load(settings: NodeConfiguration, status: LoadingStatus) -> LoadedModel:
    bundle = Bundle.open(settings.bundle)
    plan, threads = settings.configured_plan().of(bundle)
    segmenter = Segmenter.load(
        bundle,
        threads=threads,
        device_id=settings.device_id,
        engine_cache=_engine_folder(settings),
        on_progress=status.step,
        plan=plan,
        cuda_graphs=settings.cuda_graphs,
    )
    status.begin("precision guard")
    try:
        guarded = guard(segmenter, settings.on_precision_failure)
    except BaseException:
        segmenter.close()
        raise
    manifest = segmenter.bundle.manifest
    of_bundle = {
        "bundle name": manifest.name,
        "verification": visible(described_verification(manifest.verification)),
    }
    return LoadedModel(segmenter, {**of_bundle, **guard_values(segmenter, guarded)})


def guard_values(segmenter: Segmenter, guarded: Guarded | None) -> dict[str, str]:
    """Return the guard's verdict for /diagnostics, with each stage's distance from fp32."""
    values = {"runs": segmenter.plan.described(segmenter.bundle.manifest.stages_to_judge)}
    if guarded is None:
        return {**values, "precision guard": NOT_JUDGED}
    distances = guarded.verdict.distances if guarded.verdict else {}
    return {
        **values,
        "precision guard": str(guarded),
        "put back to fp32": ", ".join(guarded.reverted),
        **{f"difference of {stage}": f"{each:.2g}" for stage, each in distances.items()},
    }


def _engine_folder(settings: NodeConfiguration) -> Path | None:
    """Return where engines are kept, None for nowhere.

    Raises ParameterError if the user has no cache folder.
    """
    parameter = settings.engine_cache
    if parameter == "none":
        return None
    try:
        return Path(parameter).expanduser() if parameter else default_engine_folder()
    except RuntimeError as error:
        raise ParameterError(
            f"parameter 'engine_cache': no home folder ({error}); give a folder, or none"
        ) from error


@contextmanager
def core_log_in(logger: Any) -> Iterator[None]:
    """Write what the core logs inside the block to rclpy's logger."""
    handler, level = _ToNode(logger), _CORE_LOG.level
    _CORE_LOG.addHandler(handler)
    _CORE_LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        _CORE_LOG.setLevel(level)
        _CORE_LOG.removeHandler(handler)


class _ToNode(logging.Handler):
    """Passes records of Python's logging to rclpy's logger."""

    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = visible(record.getMessage())
        # Three lines: rclpy allows one severity for each line of code.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)
