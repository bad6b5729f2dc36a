"""What a lower precision costs, in every stage and in the masks, and whether that is too much."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sam3_ros.core.errors import VerificationError
from sam3_ros.core.precision.difference import AnswerDifference, worst
from sam3_ros.core.precision.limits import LEAST_MASK_IOU, LEAST_WORST_MASK
from sam3_ros.core.stages.session import Array
from sam3_ros.export.onnx_file import onnx_file
from sam3_ros.export.precision.model_file import Feeds, fitted, open_engine
from sam3_ros.export.precision.rounding import rounded_as_on_gpu

_NAMED = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageFigures:
    """One stage's file in a lower precision against its float32 file.

    A value that is not finite counts as an infinite difference, its cosine as 0.
    """

    stage: str
    bytes: int
    fp32_bytes: int
    #: Absolute, over all outputs and feeds.
    largest_difference: float = 0.0
    #: Largest absolute value of the output that differs most.
    scale: float = 0.0
    #: The smallest of any output; 1 where it is all zero in both.
    cosine: float = 1.0
    #: The float32 file is used, because the precision would gain nothing here.
    reused: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for the manifest."""
        return {
            "bytes": self.bytes,
            "fp32_bytes": self.fp32_bytes,
            "largest_difference": float(f"{self.largest_difference:.3g}"),
            "scale": float(f"{self.scale:.3g}"),
            "cosine": round(self.cosine, 7),
            **({"reused": "fp32"} if self.reused else {}),
        }


@dataclass(frozen=True)
class EndToEndFigures:
    """A precision's answers against those in float32."""

    #: Number of questions.
    questions: int
    #: Mean over the questions of the mean over their masks (of words those of the best queries, of
    #: clicks all four); a mask is where its logits are above 0, and two empty ones agree.
    mask_iou: float
    #: The worst of every figure, over all questions.
    worst: AnswerDifference

    @classmethod
    def of(cls, differences: Iterable[AnswerDifference]) -> EndToEndFigures:
        """Summarise the differences of all questions."""
        found = list(differences)
        return cls(len(found), fmean(one.mean_mask_iou for one in found), worst(found))

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for the manifest."""
        return {
            "questions": self.questions,
            "mean_mask_iou": round(self.mask_iou, 7),
            "worst": self.worst.as_dict(),
        }


@dataclass(frozen=True)
class PrecisionFigures:
    """The table of one precision."""

    precision: str
    stages: tuple[StageFigures, ...]
    end_to_end: EndToEndFigures
    #: It was written although its masks are not good enough.
    poor: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the table for the manifest."""
        return {
            "stages": {stage.stage: stage.as_dict() for stage in self.stages},
            "end_to_end": self.end_to_end.as_dict(),
            **({"poor": True} if self.poor else {}),
        }

    def accepted_as_poor(self) -> PrecisionFigures:
        """Return the same table, marked as poor."""
        return replace(self, poor=True)


def compare_stage(stage: str, fp32: Path, lower: Path, feeds: Sequence[Feeds]) -> StageFigures:
    """Run both files on the feeds (inputs by name) and measure how far apart they are.

    Half precision is measured with every rounding that a GPU makes (rounding.py). `lower` may be
    `fp32` itself: reused. Raises ExportError where a file cannot be loaded.
    """
    bytes_fp32 = onnx_file(fp32).bytes
    if lower == fp32:
        return StageFigures(stage, bytes_fp32, bytes_fp32, reused=True)
    expected = _outputs(fp32, feeds)
    with TemporaryDirectory(dir=lower.parent) as folder:
        found = _outputs(rounded_as_on_gpu(lower, Path(folder)), feeds)
    figures = StageFigures(stage, onnx_file(lower).bytes, bytes_fp32)
    for pair in zip(expected, found, strict=True):
        figures = _with_output(figures, *pair)
    return figures


def _outputs(path: Path, feeds: Sequence[Feeds]) -> list[Array]:
    """Return all outputs on all feeds; the engine is freed before the next one is opened."""
    engine = open_engine(path)
    return [output for feed in feeds for output in engine.run(None, fitted(feed, engine))]


def _with_output(figures: StageFigures, expected: Array, found: Array) -> StageFigures:
    expected, found = (array.astype(np.float64).ravel() for array in (expected, found))
    cosine = min(figures.cosine, _cosine(expected, found))
    difference = _largest_difference(expected, found)
    if difference <= figures.largest_difference and figures.scale:
        return replace(figures, cosine=cosine)
    scale = float(np.abs(expected).max(initial=0.0))
    return replace(figures, cosine=cosine, largest_difference=difference, scale=scale)


def _largest_difference(expected: Array, found: Array) -> float:
    if not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(expected - found).max(initial=0.0))


def _cosine(expected: Array, found: Array) -> float:
    if not np.isfinite(found).all():
        return 0.0
    lengths = float(np.linalg.norm(expected)), float(np.linalg.norm(found))
    if not any(lengths):
        return 1.0
    return float(expected @ found / (lengths[0] * lengths[1])) if all(lengths) else 0.0


def judge(figures: PrecisionFigures, allow_poor: bool = False) -> PrecisionFigures:
    """Return the figures if the masks are good enough.

    Raises VerificationError, naming the worst stages, where they are not. With allow_poor the
    figures are returned marked as poor, for the manifest.
    """
    mean, of_one = LEAST_MASK_IOU[figures.precision], LEAST_WORST_MASK[figures.precision]
    reached, worst_reached = figures.end_to_end.mask_iou, figures.end_to_end.worst.lenient_mask_iou
    if reached >= mean and worst_reached >= of_one:
        return figures
    complaint = (
        f"in {figures.precision} the masks have a mean IoU of {reached:.4f} with those in fp32, "
        f"the worst one {worst_reached:.4f} with the rounding of its edge forgiven; at least "
        f"{mean} and {of_one} are required; the worst stages are {worst_stages(figures)}"
    )
    if not allow_poor:
        raise VerificationError(f"{complaint}. Leave {figures.precision} out, or allow it as poor")
    log.warning("%s; it is written because poor precisions are allowed", complaint)
    return figures.accepted_as_poor()


def worst_stages(figures: PrecisionFigures) -> str:
    """Return a description of the stages with the smallest cosine, worst first."""
    changed = sorted((one for one in figures.stages if not one.reused), key=lambda one: one.cosine)
    return ", ".join(
        f"{one.stage} (cosine {one.cosine:.6f}, off by {one.largest_difference:.2g} of "
        f"{one.scale:.2g})"
        for one in changed[:_NAMED]
    )
