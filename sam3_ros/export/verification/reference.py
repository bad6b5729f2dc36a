"""A bundle against answers of the original's own code, stored in cases_*.npz.

A case holds the seed of its input image, tokens, exemplar boxes and clicks, and the outputs. Mask
logits are stored as float16, so half a step of that format is allowed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest, SingleMask
from sam3_ros.core.errors import ExportError
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.precision.answers import prompt_tokens
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.interactive import choose_mask
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph
from sam3_ros.core.stages.session import Array
from sam3_ros.export.verification.reference_figure import ReferenceFigure, beyond_half_precision
from sam3_ros.export.verification.reference_weights import require_same_weights
from sam3_ros.export.verification.video_case import PREFIX
from sam3_ros.export.verification.video_reference import sorted_video_cases, video_comparison

SIDE = 1008
NUMBER_LIMIT = 1e-5
MASK_LIMIT = 1e-3
#: For statistics over the hundreds of thousands of pixels of every query's mask.
STATISTIC_LIMIT = 1e-3

Case = Mapping[str, Array]


@dataclass(frozen=True)
class SkippedCase:
    """A case that was not compared."""

    case: str
    #: For people.
    reason: str


@dataclass(frozen=True)
class ReferenceComparison:
    """What came of the cases of a folder."""

    figures: tuple[ReferenceFigure, ...]
    skipped: tuple[SkippedCase, ...]


def compared_with_reference(
    graph: StageGraph, manifest: Manifest, folder: Path, progress: Callable[[str], None]
) -> ReferenceComparison:
    """Compare the bundle with every case of the folder that was answered with its weights.

    Raises ExportError where no case is left: none is there, none is for this model (the cases have
    an input of 1008 pixels), or all were answered with other weights.
    """
    if not folder.is_dir():
        raise ExportError(f"{folder} holds no cases_*.npz, because it is no folder; name theirs")
    paths, videos = sorted(folder.glob("cases_*.npz")), sorted(folder.glob(f"{PREFIX}*.npz"))
    if not paths and not videos:
        raise ExportError(
            f"{folder} holds no cases_*.npz and no {PREFIX}*.npz; expected the folder of the "
            f"reference"
        )
    size = (manifest.preprocessing.height, manifest.preprocessing.width)
    if size != (SIDE, SIDE):
        raise ExportError(
            f"the reference was computed at {SIDE}x{SIDE}, this bundle takes {size[0]}x{size[1]}; "
            f"export it without --input-size"
        )
    cases = {path.stem: _load(path) for path in paths}
    weights = {name: _weights_of(manifest, name, case) for name, case in cases.items()}
    others = {name: each for name, each in weights.items() if isinstance(each, ExportError)}
    known = {name: each for name, each in weights.items() if not isinstance(each, ExportError)}
    video = sorted_video_cases(manifest, videos)
    skipped = [SkippedCase(name, str(reason)) for name, reason in others.items()]
    skipped += [SkippedCase(name, reason) for name, reason in video.skipped.items()]
    if not known and not video.cases:
        raise next(iter(others.values()), None) or ExportError(
            f"no case of {folder} can be compared: {skipped[0].case}: {skipped[0].reason}"
        )
    found: list[ReferenceFigure] = []
    for name in known:
        progress(f"reference {name}: running the bundle")
        found += _case_figures(graph, manifest, name, cases[name])
    if not all(known.values()) and found and not any(figure.passed for figure in found):
        progress(
            "no number agrees: probably other weights than the reference's, or another model; the "
            "bundle does not say which weights it has, export it again to be sure"
        )
    found += video_comparison(graph, manifest, video.cases, progress)
    return ReferenceComparison(tuple(found), tuple(skipped))


def _weights_of(manifest: Manifest, name: str, case: Case) -> bool | ExportError:
    """Return what require_same_weights returns or raises."""
    try:
        return require_same_weights(manifest, name, case)
    except ExportError as error:
        return error


def reference_image(seed: int) -> npt.NDArray[np.float32]:
    """Return pixel_values f32[1,3,1008,1008] in [-1, 1]: noise in blocks of four sizes.

    The cases use it. A fixed rule, PCG64 seeded with [seed, 1008]; another generator would give
    another image.
    """
    generator = np.random.Generator(np.random.PCG64([seed, SIDE]))
    total = np.zeros((1, 3, SIDE, SIDE), np.float32)
    for blocks in (4, 16, 63, 252):
        noise = generator.standard_normal((1, 3, blocks, blocks)).astype(np.float32)
        total += noise.repeat(SIDE // blocks, axis=2).repeat(SIDE // blocks, axis=3)
    return np.asarray(total / np.abs(total).max(), np.float32)


def _load(path: Path) -> Case:
    try:
        with np.load(path, allow_pickle=False) as file:
            case = dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ExportError(f"{path} cannot be read as a reference case: {error}") from error
    for name in ("image_seed", "input_ids", "logits", "boxes", "presence"):
        if name not in case:
            raise ExportError(f"{path} is not a reference case: it has no {name!r}")
    return case


def _case_figures(
    graph: StageGraph, manifest: Manifest, name: str, case: Case
) -> Iterator[ReferenceFigure]:
    transform = ImageTransform.of(ImageSize(SIDE, SIDE), manifest)
    image = ImageEmbedding(graph, transform, reference_image(int(case["image_seed"])))
    if manifest.concept is not None:
        for row in range(len(case["input_ids"])):
            yield from _concept_figures(image, f"{name} prompt {row}", case, row)
    if manifest.interactive is not None and "points" in case:
        rule = manifest.interactive.single_mask
        yield from _click_figures(image, f"{name} clicks", case, rule)


def _concept_figures(
    image: ImageEmbedding, name: str, case: Case, row: int
) -> Iterator[ReferenceFigure]:
    boxes = case.get("exemplar_boxes", np.zeros((1, 0, 4), np.float32)).astype(np.float32)
    labels = case.get("exemplar_labels", np.zeros((1, 0), np.int64)).astype(np.int64)
    feeds: dict[str, Array] = {
        "input_ids": case["input_ids"][row : row + 1].astype(np.int64),
        "boxes": boxes,
        "box_labels": labels,
        "box_mask": np.ones(boxes.shape[:2], np.bool_),
    }
    values = prompt_tokens(image, feeds)
    values |= image.compute(("queries", "logits", "pred_boxes", "presence"), values)
    ours = (("logits", "logits"), ("boxes", "pred_boxes"), ("presence", "presence"))
    for theirs, canonical in ours:
        yield _number(name, theirs, values[canonical][0], case[theirs][row])
    drawn = ("masks", "semantic") if image.provides("semantic") else ("masks",)
    drawing = image.compute(drawn, values)
    masks = drawing["masks"][0]
    if "top_queries" in case:
        top = case["top_queries"][row].astype(np.int64)
        yield _mask(name, "top_masks", masks[top], case["top_masks"][row])
    if "mask_mean" in case:
        mean, std = masks.mean((1, 2), np.float64), masks.std((1, 2), np.float64)
        yield _statistic(name, "mask_mean", mean, case["mask_mean"][row])
        yield _statistic(name, "mask_std", std, case["mask_std"][row])
    if "semantic" in case and "semantic" in drawing:
        yield _mask(name, "semantic", drawing["semantic"][0], case["semantic"][row])


def _click_figures(
    image: ImageEmbedding, name: str, case: Case, rule: SingleMask
) -> Iterator[ReferenceFigure]:
    feeds: dict[str, Array] = {
        "point_coords": case["points"].astype(np.float32),
        "point_labels": case["point_labels"].astype(np.int64),
    }
    mask_side = 4 * SIDE // 14
    feeds["mask_input"] = np.zeros((1, 1, mask_side, mask_side), np.float32)
    feeds["has_mask"] = np.zeros(1, np.float32)
    found = image.compute(("sam_masks", "sam_iou", "object_score"), feeds)
    masks, iou = found["sam_masks"][0], found["sam_iou"][0]
    single = choose_mask(masks, iou, ambiguous=False, rule=rule)
    for kind, chosen in (("multi", slice(1, 4)), ("single", slice(single, single + 1))):
        yield _number(name, f"{kind}_iou", iou[chosen], case[f"{kind}_iou"][0])
        yield _number(name, f"{kind}_object", found["object_score"][0], case[f"{kind}_object"][0])
        yield _mask(name, f"{kind}_masks", masks[chosen], case[f"{kind}_masks"][0])


def _number(case: str, tensor: str, found: Array, expected: Array) -> ReferenceFigure:
    return ReferenceFigure(case, tensor, _largest(found, expected), NUMBER_LIMIT)


def _statistic(case: str, tensor: str, found: Array, expected: Array) -> ReferenceFigure:
    return ReferenceFigure(case, tensor, _largest(found, expected), STATISTIC_LIMIT)


def _mask(case: str, tensor: str, found: Array, expected: Array) -> ReferenceFigure:
    return ReferenceFigure(case, tensor, beyond_half_precision(found, expected), MASK_LIMIT)


def _largest(found: Array, expected: Array) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
