"""A bundle's sessions as a graph, compared with recorded answers; needs no PyTorch."""

from __future__ import annotations

from pathlib import Path

from sam3_ros.core.backends.factory import open_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import resolve_inside
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.plan import PORTABLE, StageChoice
from sam3_ros.core.stages.session import BRIEF_USE


def files_of(bundle: Bundle, rendition: str, precision: str) -> dict[str, Path]:
    """Return the model file of each stage that has this precision in this rendition."""
    return {
        name: resolve_inside(bundle.path, files[precision].path)
        for name, stage in bundle.manifest.stages.items()
        if precision in (files := stage.files_by_rendition.get(rendition, {}))
    }


def files_in_use(bundle: Bundle, rendition: str, precision: str) -> dict[str, Path]:
    """Return the file of each stage that a backend loads which takes this rendition.

    That is the portable file where the rendition lacks it.
    """
    if rendition == PORTABLE:
        return files_of(bundle, rendition, precision)
    choice = StageChoice(rendition, precision)  # renditions have the names of backends
    return {
        name: resolve_inside(bundle.path, file.path)
        for name, stage in bundle.manifest.stages.items()
        if (file := stage.file_for(choice)) is not None
    }


def bundle_graph(
    bundle: Bundle, precision: str, backend: str = "cpu", rendition: str = PORTABLE
) -> StageGraph:
    """Return the bundle's stages as a graph; each session is opened at its first use."""
    files = files_in_use(bundle, rendition, precision)
    return StageGraph(
        (stage for name, stage in bundle.manifest.stages.items() if name in files),
        lambda stage: open_session(files[stage.name], backend, BRIEF_USE),
    )


def bundle_differences(
    bundle: Bundle,
    precision: str,
    recorded: RecordedAnswers,
    backend: str = "cpu",
    rendition: str = PORTABLE,
) -> dict[tuple[str, str], AnswerDifference]:
    """Return how far a precision of the bundle is from the recorded answers, by question."""
    graph = bundle_graph(bundle, precision, backend, rendition)
    try:
        return recorded.differences(graph, bundle.manifest)
    finally:
        graph.close()


def with_samples(
    bundle: Bundle, recorded: RecordedAnswers
) -> tuple[RecordedAnswers, dict[tuple[str, str], AnswerDifference]]:
    """Return the answers with reference samples, and the bundle's differences by question.

    The samples are of the bundle's fp32 stages on the CPU, the differences from the recorded
    answers.
    """
    graph = bundle_graph(bundle, "fp32")
    try:
        return recorded.with_samples_of(graph, bundle.manifest)
    finally:
        graph.close()
