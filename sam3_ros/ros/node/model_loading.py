"""From the node's parameters to a model that may be used: loaded, and judged where it must be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam3_ros.core.backends.engine_cache import default_engine_folder
from sam3_ros.core.backends.onnxruntime_session import loading_stops_python
from sam3_ros.core.backends.providers import BACKENDS_ON_GPU
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.verification import described_verification
from sam3_ros.core.precision.repair import Guarded, guard
from sam3_ros.core.segmenter.segmenter import Segmenter
from sam3_ros.core.stages.plan import StagePlan
from sam3_ros.ros.node.core_log import core_log_in
from sam3_ros.ros.node.load_watch import LoadWatch
from sam3_ros.ros.node.process import signals_end_at_once
from sam3_ros.ros.parameters.parameters import NodeConfiguration
from sam3_ros.ros.parameters.spec import ParameterError

NOT_JUDGED = "not needed: fp32 on the CPU"


@dataclass(frozen=True)
class LoadedModel:
    """told: of the bundle and of the judgement, for /diagnostics."""

    segmenter: Segmenter
    told: Mapping[str, str]

    @property
    def uses_gpu(self) -> bool:
        """Does any stage run there, by whatever chose it, and after what the guard put back?"""
        return uses_gpu(self.segmenter.plan, self.segmenter.bundle.manifest.stages_in_use)


def uses_gpu(plan: StagePlan, stages: Iterable[str]) -> bool:
    """Does this plan run any of these stages on a GPU?"""
    return any(plan.of(stage).backend in BACKENDS_ON_GPU for stage in stages)


def load_model(settings: NodeConfiguration, logger: Any, watch: LoadWatch) -> LoadedModel:
    """Load what is configured; what is not fp32 on the CPU passes the precision guard first.

    Raises what Segmenter.load raises, and PrecisionError for a model that the guard refuses.
    """
    watch.begin("the bundle's files")
    try:
        with (
            core_log_in(logger),
            signals_end_at_once() if loading_stops_python() else nullcontext(),
        ):
            return _loaded(settings, watch)
    finally:
        watch.end()


def _loaded(settings: NodeConfiguration, watch: LoadWatch) -> LoadedModel:
    bundle = Bundle.open(settings.bundle)
    plan, threads = settings.configured_plan().of(bundle)
    segmenter = Segmenter.load(
        bundle,
        threads=threads,
        device_id=settings.device_id,
        engine_cache=_engine_folder(settings),
        on_progress=watch.step,
        plan=plan,
        cuda_graphs=settings.cuda_graphs,
    )
    watch.begin("precision guard")
    try:
        guarded = guard(segmenter, settings.on_precision_failure)
    except BaseException:
        segmenter.close()
        raise
    manifest = segmenter.bundle.manifest
    told = {
        "bundle name": manifest.name,
        "verification": described_verification(manifest.verification),
    }
    return LoadedModel(segmenter, {**told, **guard_values(segmenter, guarded)})


def guard_values(segmenter: Segmenter, guarded: Guarded | None) -> dict[str, str]:
    """The judgement for /diagnostics: in words, and how far each stage is from fp32."""
    stages = segmenter.bundle.manifest.stages_in_use
    told = {"runs": segmenter.plan.described(stages)}
    if guarded is None:
        return {**told, "precision guard": NOT_JUDGED}
    furthest = guarded.verdict.distances if guarded.verdict else {}
    return {
        **told,
        "precision guard": str(guarded),
        "put back to fp32": ", ".join(guarded.reverted),
        **{f"difference of {stage}": f"{each:.2g}" for stage, each in furthest.items()},
    }


def _engine_folder(settings: NodeConfiguration) -> Path | None:
    """Raises ParameterError where there is no user's cache folder to take."""
    parameter = settings.engine_cache
    if parameter == "none":
        return None
    try:
        return Path(parameter).expanduser() if parameter else default_engine_folder()
    except RuntimeError as error:
        raise ParameterError(
            f"parameter 'engine_cache': no home folder ({error}); give a folder, or none"
        ) from error
