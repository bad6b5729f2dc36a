"""What the files of a bundle hold, read from real sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sam3_ros.core.backends import open_session as open_engine_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import FileRef, Preprocessing
from sam3_ros.core.errors import BundleError, PrecisionError
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import OpenSession, SessionOptions, TensorSpec


@dataclass(frozen=True)
class StageReport:
    """One stage at one precision; tensors go by their canonical names."""

    stage: str
    precision: str
    file: FileRef
    provider: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def stage_reports(
    bundle: Bundle,
    precision: str,
    backend: str = "cpu",
    open_session: OpenSession = open_engine_session,
) -> Iterator[StageReport]:
    """Open every stage that has this precision, one at a time, and check its tensors.

    Raises PrecisionError if none has it, BackendError where a session cannot be made, BundleError
    where a file's tensors are not the manifest's.
    """
    stages = [entry for entry in bundle.manifest.stages.values() if precision in entry.files]
    if not stages:
        known = ", ".join(all_precisions(bundle))
        raise PrecisionError(f"no stage of bundle {bundle.path} has {precision!r}; it has {known}")
    for entry in stages:
        name = entry.name
        graph = StageGraph(
            [entry],
            lambda stage: open_session(
                bundle.stage_file(stage.name, precision), backend, SessionOptions()
            ),
        )
        try:
            inputs, outputs = graph.specs(name)
            _check_image_size(name, inputs, bundle.manifest.preprocessing)
            provider = graph.providers[name]
        finally:
            graph.close()
        yield StageReport(name, precision, entry.files[precision], provider, inputs, outputs)


def all_precisions(bundle: Bundle) -> tuple[str, ...]:
    """The precisions that any stage has; Bundle.precisions are those that all have."""
    stages = bundle.manifest.stages.values()
    return tuple(dict.fromkeys(precision for entry in stages for precision in entry.files))


def _check_image_size(
    stage: str, inputs: Mapping[str, TensorSpec], preprocessing: Preprocessing
) -> None:
    if "pixel_values" not in inputs:
        return
    expected = (preprocessing.height, preprocessing.width)
    for found, wanted in zip(inputs["pixel_values"].shape[-2:], expected, strict=True):
        if isinstance(found, int) and found != wanted:
            raise BundleError(
                f"stage {stage!r} takes {inputs['pixel_values']}, but the manifest preprocesses "
                f"images to {preprocessing.height}x{preprocessing.width}"
            )
