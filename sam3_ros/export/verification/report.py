"""Every check of `sam3-ros verify` as figures with their limits.

PyTorch is imported only where a model has to be built again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sam3_ros.core.bundle.bundle import Bundle
from sam3_ros.core.bundle.files import resolve_inside
from sam3_ros.core.bundle.writer import record_verification
from sam3_ros.core.errors import ExportError, VerificationError
from sam3_ros.core.precision.difference import AnswerDifference, worst
from sam3_ros.core.precision.limits import LEAST_MASK_IOU, LEAST_WORST_MASK, Fp32Limits
from sam3_ros.core.precision.recorded import Key, RecordedAnswers, load_recorded_answers
from sam3_ros.core.stages.plan import StageChoice, titled
from sam3_ros.export.verification.bundle_graph import (
    bundle_differences,
    bundle_graph,
)
from sam3_ros.export.verification.pixels import MOST_LEVELS, pixel_differences
from sam3_ros.export.verification.reference import SkippedCase, compared_with_reference

if TYPE_CHECKING:
    from sam3_ros.export.stage import StageModule


@dataclass(frozen=True)
class Figure:
    """One measured number and its limit."""

    #: The check that it belongs to.
    check: str
    #: What was measured.
    what: str
    figure: float
    limit: float
    #: The limit is a minimum, not a maximum.
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure is within its limit; NaN is not."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for JSON and the manifest."""
        figure = float(f"{self.figure:.7g}")
        return {
            "check": self.check,
            "what": self.what,
            "figure": figure if math.isfinite(figure) else str(figure),
            "at_least" if self.at_least else "at_most": self.limit,
            "passed": self.passed,
        }


@dataclass(frozen=True)
class VerificationReport:
    """All figures of one run."""

    bundle: Path
    figures: tuple[Figure, ...]
    #: Cases of the reference that were not compared.
    skipped: tuple[SkippedCase, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every figure has passed."""
        return all(figure.passed for figure in self.figures)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        figures = [figure.as_dict() for figure in self.figures]
        skipped = {"skipped": {each.case: each.reason for each in self.skipped}}
        report = {"bundle": str(self.bundle), "passed": self.passed, "figures": figures}
        return report | (skipped if self.skipped else {})


def verify_bundle(
    bundle: Bundle,
    *,
    checkpoint: Path | None,
    rebuild: bool,
    images: tuple[Path, ...],
    reference: Path | None,
    record: bool,
    progress: Callable[[str], None],
) -> VerificationReport:
    """Run the requested checks; without any, compare with the bundle's own recorded answers.

    record: write the result into the manifest. Raises ExportError where there is nothing to compare
    the bundle with, or images are given and no model to ask.
    """
    if images and checkpoint is None and not rebuild:
        raise ExportError(
            f"{images[0]}: images need a model that is built again; give "
            f"--checkpoint FILE, or --rebuild for random weights"
        )
    found: list[Figure] = []
    skipped: dict[str, SkippedCase] = {}
    if reference is not None:
        for figures, left_out in _against_reference(bundle, reference, progress):
            found += figures
            skipped |= {each.case: each for each in left_out}
    if checkpoint is not None or rebuild:
        found += _against_pytorch(bundle, checkpoint, images, progress)
    if reference is None and checkpoint is None and not rebuild:
        found += _against_recorded(bundle, _recorded(bundle), "recorded answers", progress)
    report = VerificationReport(bundle.path, tuple(found), tuple(skipped.values()))
    if record:
        _record(bundle, report)
    return report


def _against_reference(
    bundle: Bundle, folder: Path, progress: Callable[[str], None]
) -> Iterator[tuple[list[Figure], tuple[SkippedCase, ...]]]:
    for rendition, precision in _runnable(bundle):
        if precision != "fp32":
            continue
        graph = bundle_graph(bundle, "fp32", rendition=rendition)
        check = f"reference, {titled(precision, rendition)}"
        try:
            compared = compared_with_reference(graph, bundle.manifest, folder, progress)
            figures = [
                Figure(check, f"{f.case}: {f.tensor}", f.difference, f.limit, f.at_least)
                for f in compared.figures
            ]
            yield figures, compared.skipped
        finally:
            graph.close()


def _against_pytorch(
    bundle: Bundle,
    checkpoint: Path | None,
    images: tuple[Path, ...],
    progress: Callable[[str], None],
) -> Iterator[Figure]:
    from sam3_ros.core.precision.questions import standard_images
    from sam3_ros.export.verification.end_to_end import beyond_limits, original_answers, rounding
    from sam3_ros.export.verification.stages import LIMIT, verify_stage
    from sam3_ros.export.weights.filled_network import rebuilt_network

    progress("building the model in PyTorch")
    network = rebuilt_network(bundle.manifest, checkpoint)
    stages = network.stages()
    _require_same_stages(bundle, stages)
    for name in bundle.manifest.stages:
        if "fp32" not in bundle.manifest.stages[name].files:
            continue
        progress(f"stage {name}")
        try:
            figures = verify_stage(name, stages[name], bundle.stage_file(name, "fp32"))
        except VerificationError as error:
            progress(str(error))
            yield Figure("stage, fp32", name, math.inf, LIMIT)
            continue
        for output, one in figures.outputs.items():
            yield Figure("stage, fp32", f"{name}: {output}", one.of_scale, one.limit)
    tokenizer = bundle.tokenizer_file if bundle.manifest.concept else None
    asked = standard_images(bundle.manifest, tokenizer, images)
    progress("end to end in PyTorch")
    recorded = original_answers(network, bundle.manifest, asked)
    if doubtful := beyond_limits(bundle_differences(bundle, "fp32", recorded)):
        progress(f"{len(doubtful)} answers exceed the usual limits: computing all in float64")
        known = rounding(network, bundle.manifest, recorded, doubtful)
        recorded = replace(recorded, rounding=known)
    yield from _against_recorded(bundle, recorded, "PyTorch", progress)


def _require_same_stages(bundle: Bundle, stages: Mapping[str, StageModule]) -> None:
    """Raise ExportError where the model is divided into other stages than the bundle."""
    for name, ours in bundle.manifest.stages.items():
        if not ours.files:  # only for engines on a GPU, without weights
            continue
        theirs = stages.get(name)
        if theirs is None or {*ours.inputs, *ours.outputs} != {*theirs.inputs, *theirs.outputs}:
            raise ExportError(
                f"bundle {bundle.manifest.name!r} was exported by another version of sam3_ros, "
                f"whose stage {name!r} has other tensors; export it again, or compare it with its "
                f"recorded answers, without --checkpoint and --rebuild"
            )


def _recorded(bundle: Bundle) -> RecordedAnswers:
    if bundle.manifest.recorded_answers is None:
        raise ExportError(
            f"bundle {bundle.manifest.name!r} holds no recorded answers to compare with; give "
            f"--checkpoint FILE or --reference FOLDER"
        )
    return load_recorded_answers(resolve_inside(bundle.path, bundle.manifest.recorded_answers.path))


def _against_recorded(
    bundle: Bundle, recorded: RecordedAnswers, check: str, progress: Callable[[str], None]
) -> Iterator[Figure]:
    for rendition, precision in _runnable(bundle):
        title = titled(precision, rendition)
        progress(f"end to end in {title}")
        differences = bundle_differences(bundle, precision, recorded, rendition=rendition)
        if precision == "fp32":
            yield from _fp32_figures(f"{check}, {title}", differences, recorded.rounding)
        else:
            yield from _masks(f"{check}, {title}", bundle, title, precision, differences)
    for title, image, levels in pixel_differences(bundle, recorded.images):
        yield Figure(f"pixels, {title}", f"{image}: levels", levels, MOST_LEVELS)


def _runnable(bundle: Bundle) -> list[tuple[str, str]]:
    """Return the renditions, the portable one first, and the precisions that a backend can run.

    A backend runs the portable file of a stage that its rendition lacks, so that mixture is
    verified.
    """
    in_use = [bundle.manifest.stages[stage] for stage in bundle.manifest.stages_to_judge]
    pairs = dict.fromkeys(
        (rendition, precision)
        for stage in in_use
        for rendition, files in stage.files_by_rendition.items()
        for precision in files
    )
    return [
        (rendition, precision)
        for rendition, precision in pairs
        if all(stage.file_for(StageChoice(rendition, precision)) is not None for stage in in_use)
    ]


def _fp32_figures(
    check: str,
    differences: Mapping[Key, AnswerDifference],
    rounding: Mapping[Key, AnswerDifference],
) -> Iterator[Figure]:
    for key, found in differences.items():
        what, limits = f"{key[1]} of {key[0]}", Fp32Limits.given(rounding.get(key))
        yield Figure(check, f"{what}: logits", found.logits, limits.logits)
        if found.boxes:
            yield Figure(check, f"{what}: boxes", found.boxes, limits.boxes)
        yield Figure(check, f"{what}: masks equal", found.masks_equal, limits.masks_equal, True)


def _masks(
    check: str,
    bundle: Bundle,
    title: str,
    precision: str,
    differences: Mapping[Key, AnswerDifference],
) -> Iterator[Figure]:
    # A poor precision was requested with --allow-poor-precision.
    poor = _mapping(_mapping(bundle.manifest.verification, "precisions"), title).get("poor")
    mean = 0.0 if poor else LEAST_MASK_IOU.get(precision, 0.0)
    of_one = 0.0 if poor else LEAST_WORST_MASK.get(precision, 0.0)
    total = worst(differences.values())
    yield Figure(check, "mean mask IoU", total.mean_mask_iou, mean, True)
    what = f"worst mask, edge forgiven (plain IoU {total.mask_iou:.4f})"
    yield Figure(check, what, total.lenient_mask_iou, of_one, True)


def _record(bundle: Bundle, report: VerificationReport) -> None:
    checks: dict[str, dict[str, Any]] = {}
    for figure in report.figures:
        entry = checks.setdefault(figure.check, {"figures": 0, "failed": []})
        entry["figures"] += 1
        if not figure.passed:
            entry["failed"].append(figure.as_dict())
    verified = {**_mapping(bundle.manifest.verification, "verified"), **checks}
    record_verification(bundle.path, {**bundle.manifest.verification, "verified": verified})


def _mapping(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping of `verification`, in which a manifest may have anything."""
    found = figures.get(name)
    return found if isinstance(found, Mapping) else {}
