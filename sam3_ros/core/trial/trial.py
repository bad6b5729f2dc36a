"""Lets a bundle from a stranger run first where it can do no harm.

What a graph takes of time and memory shows only when it runs, and most of it when an engine makes a
session. So a bundle that did not come with sam3_ros answers a few questions in a process of its
own, on the CPU, before this process makes a session of it. That it came to its end is remembered.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from sam3_ros.core.backends.gpu_libraries import BACKENDS_ON_GPU
from sam3_ros.core.backends.onnxruntime_session import import_onnxruntime
from sam3_ros.core.bundle.bundle import Bundle, embedded_bundles
from sam3_ros.core.bundle.files import resolve_inside
from sam3_ros.core.bundle.manifest import StageFile
from sam3_ros.core.errors import BackendError, BundleError, PrecisionError, Sam3RosError
from sam3_ros.core.stages.plan import REFERENCE, StagePlan
from sam3_ros.core.trial.child_process import ChildEnd, run_in_child
from sam3_ros.core.trial.limits import TrialLimits
from sam3_ros.core.trial.record import TRUSTED, TrialRecord

_KINDS: Mapping[str, type[Sam3RosError]] = {
    each.__name__: each for each in (BackendError, BundleError, PrecisionError)
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TriedStage:
    """A stage as the child loads it."""

    #: In the bundle's folder.
    files: tuple[StageFile, ...]
    #: A backend on the CPU.
    backend: str
    #: Only a GPU runs this file: that the CPU cannot is no fault.
    is_for_gpu: bool


def require_tried(bundle: Bundle, plan: StagePlan, threads: int | None = None) -> None:
    """Run a bundle first in a process of its own, unless it came with sam3_ros or ran before.

    plan: what is to run its stages; stages on a GPU are tried on the CPU, as far as it can run
    their files. threads: as in SessionOptions. The files of the reference, fp32 on the CPU, to
    which the precision guard may return, are tried as well. Raises BundleError with the reason,
    BackendError and PrecisionError as making the sessions would.
    """
    if is_trusted(bundle):
        return
    stages = bundle.manifest.stages_to_load(plan)
    _require_plan_tried(bundle, plan, threads)
    if not plan.is_reference(stages) and "fp32" in bundle.precisions:
        _require_plan_tried(bundle, StagePlan(REFERENCE), threads)


def require_files_tried(bundle: Bundle, precision: str) -> None:
    """Load all portable files of one precision in a process of its own; ask nothing of them."""
    if not is_trusted(bundle):
        stages = {
            name: TriedStage((entry.files[precision],), "cpu", is_for_gpu=False)
            for name, entry in bundle.manifest.stages.items()
            if precision in entry.files
        }
        _require_tried(bundle, stages, None, asks=False)


def is_trusted(bundle: Bundle) -> bool:
    """Return whether a bundle came with sam3_ros, or a person vouches for it."""
    return bundle.path in embedded_bundles().values() or TrialRecord(bundle, TRUSTED, "").exists()


def _require_plan_tried(bundle: Bundle, plan: StagePlan, threads: int | None) -> None:
    _require_tried(bundle, _stages_of(bundle, plan), threads, asks=True)


def _stages_of(bundle: Bundle, plan: StagePlan) -> dict[str, TriedStage]:
    """Return the stages that a plan loads. Raises PrecisionError for one without the file."""
    found: dict[str, TriedStage] = {}
    for name in bundle.manifest.stages_to_load(plan):
        choice, entry = plan.of(name), bundle.manifest.stages[name]
        bundle.chosen_file(name, choice)
        chosen = entry.file_for(choice)
        assert chosen is not None  # chosen_file has found it
        on_gpu = choice.backend in BACKENDS_ON_GPU
        files = [chosen]
        if on_gpu:
            files += [
                entry.files[each] for each in (choice.file_precision, "fp32") if each in entry.files
            ]
        backend = "cpu" if on_gpu else choice.backend
        found[name] = TriedStage(tuple(dict.fromkeys(files)), backend, on_gpu)
    return found


def _require_tried(
    bundle: Bundle, stages: Mapping[str, TriedStage], threads: int | None, *, asks: bool
) -> None:
    files = tuple(file for stage in stages.values() for file in stage.files)
    what = " ".join(
        f"{name}:{stage.backend}:{','.join(file.sha256[:16] for file in stage.files)}"
        for name, stage in stages.items()
    )
    record = TrialRecord(bundle, f"{'asked' if asks else 'loaded'} {what}", _engine_version())
    if record.exists():
        return
    limits = TrialLimits.of(bundle.manifest, dict.fromkeys(files))
    log.info(
        "bundle %s did not come with sam3_ros: it runs first in a process of its own (at most %s); "
        "this is done once",
        bundle.path,
        limits,
    )
    start = perf_counter()
    try:
        request = {**_request(bundle, stages, threads, limits), "asks": asks}
        end = run_in_child(request, limits.seconds)
    except OSError as error:
        raise BackendError(
            f"bundle {bundle.path} must first run in a process of its own, which cannot be started "
            f"({error}){_vouch(bundle)}"
        ) from error
    _raise_unless_sound(bundle, limits, end)
    log.info("bundle %s: its first run took %.1f s", bundle.path, perf_counter() - start)
    record.try_to_write()


def _request(
    bundle: Bundle,
    stages: Mapping[str, TriedStage],
    threads: int | None,
    limits: TrialLimits,
) -> dict[str, Any]:
    return {
        "bundle": str(bundle.path),
        "stages": {
            name: {
                "files": [str(_path(bundle, file)) for file in stage.files],
                "backend": stage.backend,
                "is_for_gpu": stage.is_for_gpu,
            }
            for name, stage in stages.items()
        },
        "threads": threads,
        "seconds": limits.seconds,
        "memory": limits.memory,
    }


def _path(bundle: Bundle, file: StageFile) -> Path:
    return resolve_inside(bundle.path, file.path)


def _raise_unless_sound(bundle: Bundle, limits: TrialLimits, end: ChildEnd) -> None:
    where = f"bundle {bundle.path}: its first run, in a process of its own,"
    if end.timed_out:
        raise BundleError(
            f"{where} did not end within {limits.seconds:.0f} s: it is not loaded{_vouch(bundle)}"
        )
    if end.answer is None:
        raise BundleError(
            f"{where} {_described_end(end)} (it may take {limits}): it is not loaded"
            f"{_vouch(bundle)}"
        )
    error, kind = end.answer.get("error"), str(end.answer.get("kind", ""))
    if end.answer.get("out_of_memory"):
        raise BundleError(
            f"{where} wanted more than {limits.memory / 1e9:.1f} GB of memory: it is not loaded"
            f"{_vouch(bundle)}: {error}"
        )
    if error and end.answer.get("on_gpu_alone"):
        log.warning("bundle %s: only a GPU can run it, so it was not tried: %s", bundle.path, error)
    elif error and kind in _KINDS:
        raise _KINDS[kind](str(error))
    elif error:
        raise BundleError(f"{where} failed: {error}")


def _described_end(end: ChildEnd) -> str:
    if end.status in (-signal.SIGXCPU, -signal.SIGKILL):
        how = "used up its time" if end.status == -signal.SIGXCPU else "was killed"
    elif end.status < 0:
        how = f"crashed ({signal.Signals(-end.status).name})"
    else:
        how = f"ended with {end.status}"
    told = end.told.splitlines()
    return f"{how}: {told[-1][:300]}" if told else how


def _vouch(bundle: Bundle) -> str:
    return f"; if you know it to be sound: `sam3-ros bundle trust {bundle.path}`"


def _engine_version() -> str:
    return f"onnxruntime {import_onnxruntime().__version__}"
