"""Stages of a bundle in fp16 or int8: made from the fp32 files and measured."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.writer import BundleWriter
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.recorded import RecordedAnswers
from sam3_ros.core.stages.plan import titled
from sam3_ros.export.onnx_file import onnx_file
from sam3_ros.export.precision.figures import (
    EndToEndFigures,
    PrecisionFigures,
    StageFigures,
    compare_stage,
)
from sam3_ros.export.precision.fp16 import convert_to_fp16
from sam3_ros.export.precision.half_rules import ANYWHERE, ON_GPU
from sam3_ros.export.precision.int8 import CLOSE_TO_ANSWERS, convert_to_int8
from sam3_ros.export.precision.model_file import Feeds
from sam3_ros.export.precision.rounding import measured_graph
from sam3_ros.export.rendition import PORTABLE, Rendition
from sam3_ros.export.verification.bundle_graph import files_of

LOWER_PRECISIONS = ("fp16", "int8")


def write_precision(
    precision: str,
    writer: BundleWriter,
    fp32: Bundle,
    feeds: Mapping[str, Sequence[Feeds]],
    progress: Callable[[str], None],
    rendition: Rendition = PORTABLE,
    borders: AbstractSet[str] = frozenset(),
) -> tuple[StageFigures, ...]:
    """Add a precision of a rendition to every stage that the writer holds, and measure each.

    fp32: the bundle so far (BundleWriter.draft). feeds: inputs of each stage as it meets them in
    use. borders: tensors that pass from stage to stage in half; for files on a GPU. A stage that
    would gain nothing, or that the precision would break, keeps its fp32 file.
    """
    figures = []
    title = titled(precision, rendition.name)
    for name, source in files_of(fp32, rendition.name, "fp32").items():
        made = writer.workspace / rendition.name / precision / f"{name}.onnx"
        made.parent.mkdir(exist_ok=True, parents=True)
        reason = _convert(precision, name, source, made, feeds[name], rendition, borders)
        figures.append(compare_stage(name, source, source if reason else made, feeds[name]))
        if reason:
            progress(f"{title} {name}: stays in fp32: {reason}")
            writer.share_precision(name, precision, of="fp32", rendition=rendition.name)
        else:
            writer.add_precision(name, precision, onnx_file(made), rendition.name)
            size = f"{figures[-1].bytes / 1e6:.1f} MB"
            progress(f"{title} {name}: cosine {figures[-1].cosine:.6f}, {size}")
    return tuple(figures)


def measure_precision(
    precision: str,
    bundle: Bundle,
    stages: tuple[StageFigures, ...],
    recorded: RecordedAnswers,
    workspace: Path,
    rendition: Rendition = PORTABLE,
) -> PrecisionFigures:
    """Return the table of a precision that write_precision has added."""
    scratch = workspace / f"{rendition.name}_{precision}_rounded"
    scratch.mkdir()
    files = files_of(bundle, rendition.name, precision)
    graph = measured_graph(bundle.manifest.stages.values(), files, scratch)
    try:
        differences = recorded.differences(graph, bundle.manifest)
    finally:
        graph.close()
        shutil.rmtree(scratch)
    return PrecisionFigures(precision, stages, EndToEndFigures.of(differences.values()))


def _convert(
    precision: str,
    stage: str,
    source: Path,
    target: Path,
    feeds: Sequence[Feeds],
    rendition: Rendition,
    borders: AbstractSet[str],
) -> str:
    """Return why there is no file at `target` now; "" where there is one."""
    if precision == "int8" and stage in CLOSE_TO_ANSWERS:
        return "it is small, and its rounding shows in the masks and scores"
    if precision == "int8":
        return convert_to_int8(source, target, feeds).reason
    try:
        convert_to_fp16(
            source,
            target,
            feeds,
            rules=ANYWHERE if rendition.is_portable else ON_GPU,
            half_borders=borders,
        )
    except VerificationError as error:
        return str(error)
    return ""
