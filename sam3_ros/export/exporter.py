"""From a network to a bundle: stage by stage, each verified, then the whole; or nothing at all."""

from __future__ import annotations

import gc
import logging
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from sam3_ros.core.bundle import Bundle
from sam3_ros.core.bundle_writer import BundleDescription, BundleWriter
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.recorded_answers import RecordedAnswers, save_recorded_answers
from sam3_ros.export.export_job import ExportJob, describe
from sam3_ros.export.interruption import unwinding_when_terminated
from sam3_ros.export.lower_precisions import Feeds, measure_precision, write_precision
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.precision.judgement import judge
from sam3_ros.export.stage import Stage
from sam3_ros.export.verification.bundle_graph import bundle_differences
from sam3_ros.export.verification.end_to_end import (
    figures,
    original_answers,
    require_equal,
)
from sam3_ros.export.verification.observation import observing
from sam3_ros.export.verification.questions import standard_images
from sam3_ros.export.verification.stages import StageCase, StageFigures, verify_stage

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
ANSWERS_NAME = "recorded_answers.npz"


@dataclass
class _Findings:
    """What was measured so far: the manifest's `verification`."""

    stages: dict[str, StageFigures] = field(default_factory=dict)
    end_to_end: dict[str, Any] = field(default_factory=dict)
    precisions: dict[str, Any] = field(default_factory=dict)
    not_written: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        found = {
            "onnx_against_pytorch": {name: f.as_dict() for name, f in self.stages.items()},
            "end_to_end": self.end_to_end,
            "precisions": self.precisions,
            "not_written": self.not_written,
        }
        peak = {"peak_memory_bytes": peak_memory_bytes()}
        return {name: value for name, value in found.items() if value} | peak


def export_bundle(job: ExportJob, progress: Progress = log.info) -> Bundle:
    """Write the bundle that a job asks for, verified; progress gets a line for every step.

    A precision that is too poor is left out, and the manifest says so (`not_written`). Raises
    VerificationError where the bundle would not answer as the network does, or no precision is
    good enough; BundleError where the target exists. Whatever is raised, KeyboardInterrupt and
    SIGTERM included, nothing of the bundle is left behind and an older one stays as it was.
    """
    findings = _Findings()
    with (
        unwinding_when_terminated(),
        BundleWriter(job.target, job.replace_existing) as writer,
    ):
        _write_stages(job, writer, findings, progress)
        description = describe(job, writer)
        recorded, observed = _verify_end_to_end(job, writer, description, findings, progress)
        _write_lower_precisions(job, writer, description, recorded, observed, findings, progress)
        answers = writer.workspace / ANSWERS_NAME
        save_recorded_answers(answers, recorded)
        reference = writer.add_file(answers, ANSWERS_NAME)
        progress("checking the whole and moving it into place")
        return writer.finish(
            replace(description, verification=findings.as_dict(), recorded_answers=reference)
        )


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _write_stages(
    job: ExportJob, writer: BundleWriter, findings: _Findings, progress: Progress
) -> None:
    for number, (name, stage) in enumerate(job.stages.items(), start=1):
        start, step = monotonic(), f"[{number}/{len(job.stages)}] {name}"
        progress(f"{step}: exporting")
        file = write_onnx(stage, writer.workspace / f"{name}.onnx")
        size = f"{file.bytes / 1e6:.1f} MB"
        progress(f"{step}: {size}, verifying")
        findings.stages[name] = verify_stage(name, stage, file.path)
        inputs, outputs = ({tensor: tensor for tensor in t} for t in (stage.inputs, stage.outputs))
        writer.add_stage(name, inputs, outputs, {"fp32": file})
        gc.collect()  # the exporter's graphs hold on to each other
        largest, seconds = findings.stages[name].largest, monotonic() - start
        progress(f"{step}: verified {largest:.1e}, {size}, {seconds:.0f} s")


def _verify_end_to_end(
    job: ExportJob,
    writer: BundleWriter,
    description: BundleDescription,
    findings: _Findings,
    progress: Progress,
) -> tuple[RecordedAnswers, Mapping[str, list[StageCase]]]:
    draft = writer.draft(description)
    tokenizer = draft.tokenizer_file if draft.manifest.concept else None
    images = standard_images(draft.manifest, tokenizer)
    questions = sum(len(image.questions) for image in images)
    progress(f"end to end: {questions} questions on {len(images)} images, in PyTorch")
    with observing(job.stages) as observed:
        recorded = original_answers(job.network, draft.manifest, images)
    for name, cases in observed.items():
        if cases:
            path = draft.stage_file(name, "fp32")
            on_real = verify_stage(name, job.stages[name], path, cases)
            findings.stages[name] = findings.stages[name].joined(on_real)
    progress("end to end: the same questions, by the bundle")
    differences = bundle_differences(draft, "fp32", recorded)
    require_equal(differences)
    found = figures(differences)
    findings.end_to_end["fp32"] = found
    progress(f"end to end: verified, {_in_words(found)}")
    return recorded, observed


def _write_lower_precisions(
    job: ExportJob,
    writer: BundleWriter,
    description: BundleDescription,
    recorded: RecordedAnswers,
    observed: Mapping[str, list[StageCase]],
    findings: _Findings,
    progress: Progress,
) -> None:
    fp32 = writer.draft(description)
    feeds = {name: _feeds(stage, observed[name]) for name, stage in job.stages.items()}
    for precision in job.lower_precisions:
        stages = write_precision(precision, writer, fp32, feeds, progress)
        progress(f"{precision}: the questions again, by the bundle")
        bundle = writer.draft(description)
        table = measure_precision(precision, bundle, stages, recorded, writer.workspace)
        try:
            table = judge(table, job.allow_poor_precision)
        except VerificationError as error:
            writer.drop_precision(precision)
            findings.not_written[precision] = str(error)
            progress(f"{precision} is not written: {error}")
        else:
            progress(f"{precision}: mean mask IoU {table.end_to_end.mask_iou:.4f}")
        findings.precisions[precision] = table.as_dict()
    if not set(job.precisions).difference(findings.not_written):
        raise VerificationError("; ".join(findings.not_written.values()))
    if "fp32" not in job.precisions:
        writer.drop_precision("fp32")


def _feeds(stage: Stage, cases: Sequence[StageCase]) -> list[Feeds]:
    """Real inputs; for a stage that no question reaches, as those for video, made-up ones."""
    if cases:
        return [case.inputs for case in cases]
    examples = stage.examples(dict.fromkeys(stage.lengths(), 2), seed=1)
    return [{name: tensor.numpy() for name, tensor in examples.items()}]


def _in_words(found: Mapping[str, Any]) -> str:
    names = ("logits", "boxes", "mask_logits", "masks_equal")
    return ", ".join(f"{name} {found[name]:.7g}" for name in names)
