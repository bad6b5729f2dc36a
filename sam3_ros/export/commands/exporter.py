"""From a network to a verified bundle: every stage, then the whole chain; or nothing at all."""

from __future__ import annotations

import gc
import logging
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import Any

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.bundle.writer import BundleDescription, BundleWriter
from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.difference import AnswerDifference
from sam3_ros.core.precision.questions import standard_images
from sam3_ros.core.precision.recorded import Key, RecordedAnswers, save_recorded_answers
from sam3_ros.core.stages.plan import titled
from sam3_ros.export.commands.borders import half_borders
from sam3_ros.export.commands.export_job import PIXELS, ExportJob, describe
from sam3_ros.export.commands.lower_precisions import measure_precision, write_precision
from sam3_ros.export.interruption import cleanup_on_signals
from sam3_ros.export.network import Network
from sam3_ros.export.onnx_file import write_onnx
from sam3_ros.export.precision.figures import PrecisionFigures, judge
from sam3_ros.export.precision.model_file import Feeds
from sam3_ros.export.rendition import PORTABLE, Rendition
from sam3_ros.export.stage import StageModule
from sam3_ros.export.verification.bundle_graph import bundle_differences, files_of, with_samples
from sam3_ros.export.verification.end_to_end import (
    beyond_limits,
    original_answers,
    require_equal,
    rounding,
)
from sam3_ros.export.verification.end_to_end import figures as figures_of
from sam3_ros.export.verification.stages import (
    StageCase,
    StageVerification,
    fits,
    unit_cases,
    verify_stage,
)
from sam3_ros.export.verification.torch_graph import observe_stages

log = logging.getLogger(__name__)

Observed = Mapping[str, list[StageCase]]
ANSWERS_NAME = "recorded_answers.npz"


def export_bundle(job: ExportJob, progress: Callable[[str], None] = log.info) -> Bundle:
    """Write and verify the bundle that a job asks for; progress gets a line for every step.

    A precision that is too poor is left out, and the manifest says so (`not_written`). Raises
    VerificationError where the bundle does not compute what the network computes, or no precision
    is good enough; BundleError where the target exists. After an exception or a signal nothing of
    the new bundle is left, and an older one is unchanged.
    """
    with (
        BundleWriter(job.target, job.replace_existing) as writer,
        cleanup_on_signals(writer.discard),
    ):
        return _Export(job, writer, progress).run()


def peak_memory_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass
class _Findings:
    """What was measured so far: the manifest's `verification`."""

    stages: dict[str, StageVerification] = field(default_factory=dict)
    end_to_end: dict[str, Any] = field(default_factory=dict)
    #: Of stages as written for engines on a GPU, by rendition.
    renditions: dict[str, dict[str, StageVerification]] = field(default_factory=dict)
    precisions: dict[str, Any] = field(default_factory=dict)
    not_written: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        found = {
            "onnx_against_pytorch": {name: f.as_dict() for name, f in self.stages.items()},
            "renditions_against_pytorch": {
                rendition: {name: figures.as_dict() for name, figures in stages.items()}
                for rendition, stages in self.renditions.items()
            },
            "end_to_end": self.end_to_end,
            "precisions": self.precisions,
            "not_written": self.not_written,
        }
        peak = {"peak_memory_bytes": peak_memory_bytes()}
        return {name: value for name, value in found.items() if value} | peak


class _Export:
    """One export in progress."""

    def __init__(
        self, job: ExportJob, writer: BundleWriter, progress: Callable[[str], None]
    ) -> None:
        self._job = job
        self._writer = writer
        self._progress = progress
        self._found = _Findings()

    def run(self) -> Bundle:
        stages = self._job.stages
        for number, name in enumerate(stages, start=1):
            self._add_stage(name, stages[name], f"[{number}/{len(stages)}] {name}")
        self._add_pixels()
        description = describe(self._job, self._writer)
        recorded, observed = self._original_answers(description)
        if self._job.refill is not None:
            self._job.network.to_empty(device="meta")
            gc.collect()
        recorded = self._verify_fp32(description, recorded, observed)
        self._add_lower_precisions(description, recorded, observed)
        answers = self._writer.workspace / ANSWERS_NAME
        save_recorded_answers(answers, recorded)
        reference = self._writer.add_file(answers, ANSWERS_NAME)
        self._progress("checking the bundle and moving it into place")
        verification = self._found.as_dict()
        return self._writer.finish(
            replace(description, verification=verification, recorded_answers=reference)
        )

    def _add_stage(self, name: str, stage: StageModule, step: str) -> None:
        start = monotonic()
        self._progress(f"{step}: exporting")
        file = write_onnx(stage, self._writer.workspace / f"{name}.onnx")
        size = f"{file.bytes / 1e6:.1f} MB"
        self._progress(f"{step}: {size}, verifying")
        cases = list(unit_cases(stage))
        figures = self._found.stages[name] = verify_stage(name, stage, file.path, cases)
        self._writer.add_stage(name, *_tensors(stage), {"fp32": file})
        for rendition in self._job.for_gpus:
            self._add_rendition(name, stage, rendition, cases)
            self._progress(f"{step}: verified as written for {rendition.name}")
        gc.collect()  # the exporter's graphs are reference cycles
        seconds = monotonic() - start
        self._progress(f"{step}: verified {figures.largest:.1e}, {size}, {seconds:.0f} s")

    def _add_rendition(
        self, name: str, stage: StageModule, rendition: Rendition, cases: Sequence[StageCase]
    ) -> None:
        file = write_onnx(
            stage, self._writer.workspace / f"{name}.{rendition.name}.onnx", rendition
        )
        fitting = [case for case in cases if fits(stage, case, rendition.fixed)]
        found = self._found.renditions.setdefault(rendition.name, {})
        found[name] = verify_stage(name, stage, file.path, fitting)
        self._writer.add_precision(name, "fp32", file, rendition.name)

    def _add_pixels(self) -> None:
        """Add the stage that only engines on a GPU have."""
        name, stage = PIXELS, self._job.pixels
        cases = list(unit_cases(stage))
        for rendition in self._job.for_gpus:
            path = self._writer.workspace / f"{name}.{rendition.name}.onnx"
            file = write_onnx(stage, path, rendition)
            found = self._found.renditions.setdefault(rendition.name, {})
            found[name] = verify_stage(name, stage, file.path, cases)
            if self._writer.has_stage(name):
                self._writer.add_precision(name, "fp32", file, rendition.name)
            else:
                self._writer.add_stage(name, *_tensors(stage), {"fp32": file}, rendition.name)

    def _original_answers(self, description: BundleDescription) -> tuple[RecordedAnswers, Observed]:
        draft = self._writer.draft(description)
        tokenizer = draft.tokenizer_file if draft.manifest.concept else None
        images = standard_images(draft.manifest, tokenizer)
        questions = sum(len(image.questions) for image in images)
        self._progress(f"end to end: {questions} questions on {len(images)} images, in PyTorch")
        with observe_stages(self._job.stages) as observed:
            return original_answers(self._job.network, draft.manifest, images), observed

    def _verify_fp32(
        self, description: BundleDescription, recorded: RecordedAnswers, observed: Observed
    ) -> RecordedAnswers:
        """Return the recorded answers, with the rounding of those beyond the usual limits."""
        draft = self._writer.draft(description)
        found_in = {PORTABLE.name: self._found.stages, **self._found.renditions}
        for rendition, verified in found_in.items():
            files = files_of(draft, rendition, "fp32")
            for name, cases in observed.items():
                if cases:
                    stage, refilled = self._job.stages[name], partial(self._refilled, name)
                    figures = verify_stage(name, stage, files[name], cases, refilled)
                    verified[name] = verified[name].joined(figures)
        self._progress("end to end: the same questions, with the bundle")
        recorded, differences = with_samples(draft, recorded)
        all_differences = {"fp32": differences} | {
            titled("fp32", rendition.name): bundle_differences(
                draft, "fp32", recorded, rendition=rendition.name
            )
            for rendition in self._job.for_gpus
        }
        if doubtful := {key for each in all_differences.values() for key in beyond_limits(each)}:
            known = self._rounding(draft.manifest, recorded, tuple(sorted(doubtful)))
            recorded = replace(recorded, rounding=known)
        for title, each in all_differences.items():
            require_equal(each, recorded.rounding)
            found = self._found.end_to_end[title] = figures_of(each)
            self._progress(f"end to end: verified {title}, {_in_words(found)}")
        if recorded.rounding:
            exact = figures_of(recorded.rounding)
            self._found.end_to_end["fp32"]["of_pytorch_against_float64"] = exact
        return recorded

    def _rounding(
        self, manifest: Manifest, recorded: RecordedAnswers, doubtful: tuple[Key, ...]
    ) -> dict[Key, AnswerDifference]:
        self._progress(
            f"end to end: {len(doubtful)} answers exceed the usual limits; computing all in "
            f"float64 to measure PyTorch's own rounding"
        )
        return rounding(self._filled_network(), manifest, recorded, doubtful)

    def _filled_network(self) -> Network:
        job = self._job
        return job.network if job.refill is None else job.refill()

    def _refilled(self, name: str) -> StageModule:
        return self._filled_network().stages()[name]

    def _add_lower_precisions(
        self, description: BundleDescription, recorded: RecordedAnswers, observed: Observed
    ) -> None:
        writer, job = self._writer, self._job
        fp32 = writer.draft(description)
        stages = {**job.stages, PIXELS: job.pixels}
        feeds = {name: _feeds(stage, observed.get(name, ())) for name, stage in stages.items()}
        borders = half_borders(stages, observed)
        for precision in job.lower_precisions:
            for rendition in (PORTABLE, *(job.for_gpus if precision == "fp16" else ())):
                passing = frozenset() if rendition.is_portable else borders
                figures = write_precision(
                    precision, writer, fp32, feeds, self._progress, rendition, passing
                )
                self._progress(
                    f"{titled(precision, rendition.name)}: the same questions, with the bundle"
                )
                bundle = writer.draft(description)
                table = measure_precision(
                    precision, bundle, figures, recorded, writer.workspace, rendition
                )
                self._judge(table, rendition)
        if not set(job.precisions).difference(self._found.not_written):
            raise VerificationError("; ".join(self._found.not_written.values()))
        if "fp32" not in job.precisions:
            for rendition in (PORTABLE, *job.for_gpus):
                writer.drop_precision("fp32", rendition.name)

    def _judge(self, table: PrecisionFigures, rendition: Rendition) -> None:
        title, iou = titled(table.precision, rendition.name), table.end_to_end.mask_iou
        try:
            table = judge(table, self._job.allow_poor_precision)
        except VerificationError as error:
            self._writer.drop_precision(table.precision, rendition.name)
            self._found.not_written[title] = str(error)
            self._progress(f"{title} is not written: {error}")
        else:
            self._progress(f"{title}: mean mask IoU with fp32 {iou:.4f}")
        self._found.precisions[title] = table.as_dict()


def _tensors(stage: StageModule) -> tuple[dict[str, str], dict[str, str]]:
    """Return the inputs and outputs as a manifest names them: a file has the canonical names."""
    return {name: name for name in stage.inputs}, {name: name for name in stage.outputs}


def _feeds(stage: StageModule, cases: Sequence[StageCase]) -> list[Feeds]:
    """Return real inputs, or synthetic ones where no question reaches the stage, as for video."""
    if cases:
        return [case.inputs for case in cases]
    examples = stage.examples(dict.fromkeys(stage.lengths(), 2), seed=1)
    return [{name: tensor.numpy() for name, tensor in examples.items()}]


def _in_words(found: Mapping[str, Any]) -> str:
    names = ("logits", "boxes", "mask_logits", "masks_equal")
    return ", ".join(f"{name} {found[name]:.7g}" for name in names)
