"""What the files of a bundle hold, read from real sessions, and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from sam3_ros.cli.table import left, readable_size, right, table
from sam3_ros.core.backends import open_session as open_engine_session
from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import ConceptSettings, FileRef, Preprocessing, StageFile
from sam3_ros.core.errors import BundleError, PrecisionError
from sam3_ros.core.nearest_name import did_you_mean
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.operators import OperatorCounts, count_operators
from sam3_ros.core.stages.plan import titled
from sam3_ros.core.stages.session import OpenSession, SessionOptions, TensorSpec
from sam3_ros.core.trial.trial import require_files_tried
from sam3_ros.core.visible_text import visible


@dataclass(frozen=True)
class StageReport:
    """One stage at one precision; tensors are listed by their canonical names."""

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

    A bundle that did not come with sam3_ros runs first in a process of its own.

    Raises PrecisionError if no stage has it, BackendError if a session cannot be opened, and
    BundleError if a file's tensors are not those of the manifest.
    """
    stages = [entry for entry in bundle.manifest.stages.values() if precision in entry.files]
    if not stages:
        known = all_precisions(bundle)
        raise PrecisionError(
            f"no stage of bundle {bundle.path} has {precision!r}; it has {', '.join(known)}"
            f"{did_you_mean(precision, known)}"
        )
    if open_session is open_engine_session:
        require_files_tried(bundle, precision)
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
    """Return the precisions that any stage has; Bundle.precisions are those that all have."""
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


def stage_documents(bundle: Bundle, reports: Sequence[StageReport]) -> list[dict[str, Any]]:
    """Return the stages as JSON shows them."""
    return [
        {
            "name": report.stage,
            "tensors_at": report.precision,
            "inputs": {name: _tensor(spec) for name, spec in report.inputs.items()},
            "outputs": {name: _tensor(spec) for name, spec in report.outputs.items()},
            "files": {
                titled(precision, rendition): asdict(file)
                for rendition, files in bundle.manifest.stages[
                    report.stage
                ].files_by_rendition.items()
                for precision, file in files.items()
            },
        }
        for report in reports
    ]


def operator_counts(bundle: Bundle) -> dict[str, dict[str, OperatorCounts]]:
    """Count the operators of every file, by stage and by rendition and precision.

    Raises BackendError for a file that is no ONNX model.
    """
    counted: dict[str, OperatorCounts] = {}  # one file may have many names

    def count(file: StageFile) -> OperatorCounts:
        if file.sha256 not in counted:
            counted[file.sha256] = count_operators(bundle.path / file.path)
        return counted[file.sha256]

    return {
        name: {
            titled(precision, rendition): count(file)
            for rendition, files in stage.files_by_rendition.items()
            for precision, file in files.items()
        }
        for name, stage in bundle.manifest.stages.items()
    }


def operator_lines(counts: Mapping[str, Mapping[str, OperatorCounts]]) -> Iterator[str]:
    """Yield a table of what each file is made of."""
    yield ""
    yield "operators in each file (Cast: conversions between precisions)"
    columns = [left("stage"), left("file"), *map(right, ("nodes", "Cast", "attention"))]
    rows = [
        (stage, title, found.nodes, found.casts, found.attentions)
        for stage, by_title in counts.items()
        for title, found in by_title.items()
    ]
    yield from table(columns, rows, indent=2)


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": str(spec.dtype), "shape": list(spec.shape)}


def inspection_lines(
    bundle: Bundle, precision: str, reports: Sequence[StageReport]
) -> Iterator[str]:
    """Yield a bundle's summary, its stages with their tensors and files, and its other files."""
    manifest, frame = bundle.manifest, bundle.manifest.preprocessing
    yield visible(f"{manifest.name}  {' '.join(manifest.description.split())}".rstrip())
    summary = {
        "path": bundle.path,
        "licence": manifest.licence,
        "capabilities": ", ".join(bundle.capabilities),
        "precisions": ", ".join(bundle.precisions),
        "size": readable_size(sum(file.bytes for file in manifest.files)),
        "image": f"{frame.height}x{frame.width}, {frame.fit}, {frame.interpolation}",
    }
    yield from table([left(), left()], summary.items(), indent=2)
    yield from _vocabulary_lines(manifest.concept)
    for report in reports:
        yield ""
        yield f"stage {report.stage} (tensors at {precision})"
        tensors = [
            (kind, canonical, spec)
            for kind, specs in (("in", report.inputs), ("out", report.outputs))
            for canonical, spec in specs.items()
        ]
        yield from table([left(), left(), left()], tensors, indent=2)
        files = [
            (name, *_file_cells(file))
            for rendition, by_precision in manifest.stages[report.stage].files_by_rendition.items()
            for precision_name, main in by_precision.items()
            for name, file in (
                (titled(precision_name, rendition), main),
                *(("", data) for data in main.data),
            )
        ]
        yield from table([left()] * 4, files, indent=2)
    others = {
        "tokenizer": None if manifest.concept is None else manifest.concept.tokenizer.file,
        "recorded answers": manifest.recorded_answers,
    }
    for title, file in others.items():
        if file is not None:
            yield ""
            yield title
            yield from table([left()] * 3, [_file_cells(file)], indent=2)
    if manifest.verification:
        yield ""
        yield "verification"
        text = json.dumps(dict(manifest.verification), indent=2, default=str)
        yield from (f"  {line}" for line in text.splitlines())


def _vocabulary_lines(concept: ConceptSettings | None) -> Iterator[str]:
    """Yield the words of a closed vocabulary; nothing for an open one."""
    words = concept.vocabulary if concept is not None else None
    if words is not None:
        yield ""
        yield f"the {len(words)} words that it knows"
        yield from wrap(visible(", ".join(words)), 98, initial_indent="  ", subsequent_indent="  ")


def _file_cells(file: FileRef) -> tuple[str, str, str]:
    return file.path, readable_size(file.bytes), f"sha256 {file.sha256}"
