"""A straightforward chain of stages, in which each optimisation of the segmenter is a switch.

With all switched off it is the plain chain: every stage on every frame. It shares neither the
segmenter's caches nor its fast pre- and postprocessing, so that it can be compared with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from sam3_ros.core.bundle.manifest import Manifest
from sam3_ros.core.geometry import Box, ImageSize
from sam3_ros.core.segmenter.concept import SCORED, keep_queries
from sam3_ros.core.segmenter.embedding import joined_tokens
from sam3_ros.core.segmenter.interactive import (
    choose_mask,
    is_ambiguous,
    prompt_feeds,
    shows_no_object,
    wanted_tensors,
)
from sam3_ros.core.segmenter.masks import mask_bounds
from sam3_ros.core.segmenter.pixels import resized
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.text import ClipTokenizer
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.graph import StageGraph, as_array
from sam3_ros.core.stages.order import StageSpec, derived_names, stages_needed
from sam3_ros.core.stages.session import Array, Tensor
from sam3_ros.core.stages.tensor_names import IMAGE_INPUTS

Values = dict[str, Tensor]
#: Runs one stage: values in and out by their canonical names, left where they were computed.
RunStage = Callable[[StageSpec, Mapping[str, Tensor]], Values]
Image = npt.NDArray[np.uint8]

TEXT_TOKENS = ("text_features", "text_mask", "geometry_features", "geometry_mask")


@dataclass(frozen=True)
class Optimisations:
    """Which of the segmenter's optimisations are on."""

    #: Encode a phrase once.
    text_cached: bool = False
    #: Run only the image stages that the question needs.
    necks_on_demand: bool = False
    #: Run only the other stages that the question needs.
    asked_only: bool = False
    #: Compute masks of the kept queries only.
    kept_only: bool = False
    #: Compute no masks where no query is kept, instead of the best query's.
    skip_empty: bool = False


PLAIN = Optimisations()
FULL = Optimisations(True, True, True, True, True)


@dataclass(frozen=True)
class ChainQuestion:
    """A phrase, or a click, or both."""

    #: The phrase, empty for a click alone.
    text: str = ""
    #: Queries of the phrase with higher scores are drawn.
    threshold: float = 0.5
    #: None for a phrase alone.
    click: InteractivePrompt | None = None


class StageChain:
    """Answers a question on an image, calling `run` for every stage."""

    def __init__(
        self,
        manifest: Manifest,
        run: RunStage,
        tokenizer_file: Path | None,
        optimisations: Optimisations,
    ) -> None:
        self._manifest = manifest
        self._stages = [manifest.stages[name] for name in manifest.stages_in_use]
        self._run = run
        self._optimisations = optimisations
        self._texts: dict[str, Values] = {}
        self._tokenizer: ClipTokenizer | None = None
        if manifest.concept is not None and tokenizer_file is not None:
            self._tokenizer = ClipTokenizer(tokenizer_file, manifest.concept.tokenizer)

    def answer(self, image: Image, question: ChainQuestion, asked: str) -> list[Segment]:
        """Return the segments of what is asked, "text" or "click".

        The rest of the question is computed too, unless `asked_only` is on.
        """
        transform = ImageTransform.of(ImageSize(*image.shape[:2]), self._manifest)
        values: Values = {"pixel_values": _pixel_values(image, transform)}
        if not self._optimisations.necks_on_demand:
            self._compute(derived_names(self._stages, IMAGE_INPUTS), values)
        found: dict[str, list[Segment]] = {}
        if question.text and (asked == "text" or not self._optimisations.asked_only):
            found["text"] = list(self._words(values, transform, question))
        if question.click and (asked == "click" or not self._optimisations.asked_only):
            found["click"] = list(self._click(values, transform, question.click))
        return found[asked]

    def _words(
        self, values: Values, transform: ImageTransform, question: ChainQuestion
    ) -> Iterator[Segment]:
        self._prompt_tokens(values, question.text)
        self._compute(SCORED, values)
        logits, presence = as_array(values["logits"]), as_array(values["presence"])
        kept = keep_queries(logits, presence, question.threshold)
        drawn = self._masks_of(values, kept.indices)
        assert self._manifest.concept is not None
        corners = transform.boxes_to_source(as_array(values["pred_boxes"])[0])
        for index, score in zip(kept.indices, kept.scores, strict=True):
            threshold = self._manifest.concept.mask_threshold
            mask = _upscaled(drawn[int(index)], transform, threshold)
            if mask.any():
                box = Box(*(float(corner) for corner in corners[index]))
                yield Segment(question.text, question.text, float(score), box, mask)

    def _prompt_tokens(self, values: Values, text: str) -> None:
        if self._optimisations.text_cached and text in self._texts:
            values |= self._texts[text]
        else:
            assert self._tokenizer is not None
            values["input_ids"] = self._tokenizer.encode(text)
        values |= {
            "boxes": np.zeros((1, 0, 4), np.float32),
            "box_labels": np.zeros((1, 0), np.int64),
            "box_mask": np.zeros((1, 0), np.bool_),
        }
        self._compute(TEXT_TOKENS, values)
        self._texts[text] = {name: values[name] for name in TEXT_TOKENS[:2]}
        values |= joined_tokens({name: as_array(values[name]) for name in TEXT_TOKENS})

    def _masks_of(self, values: Values, kept: npt.NDArray[np.int64]) -> Mapping[int, Array]:
        """Return mask logits f32 [h, w] by query."""
        queries = as_array(values["queries"])
        drawn = np.arange(queries.shape[1])
        if self._optimisations.kept_only:
            drawn = kept
        if len(drawn) == 0:
            if self._optimisations.skip_empty:
                return {}
            drawn = np.argmax(as_array(values["logits"])[0], keepdims=True)
        values["queries"] = queries[:, drawn]
        self._compute(("masks",), values)
        masks = as_array(values["masks"])[0]
        return {int(q): mask for q, mask in zip(drawn, masks, strict=True)}

    def _click(
        self, values: Values, transform: ImageTransform, click: InteractivePrompt
    ) -> Iterator[Segment]:
        settings = self._manifest.interactive
        assert settings is not None
        values |= prompt_feeds(click, transform, settings)
        wanted = wanted_tensors(settings)
        self._compute(wanted, values)
        found = {name: as_array(values[name]) for name in wanted}
        masks, iou = found["sam_masks"][0], found["sam_iou"][0]
        if shows_no_object(found, settings):
            return
        chosen = choose_mask(masks, iou, is_ambiguous(click, settings), settings.single_mask)
        if settings.mask_fit == "direct":
            mask = _upscaled(masks[chosen], transform, settings.mask_threshold)
        else:
            threshold, fit = settings.mask_threshold, settings.mask_fit
            mask = transform.mask_to_source(masks[chosen], threshold, fit)
        bounds = mask_bounds(mask)
        if bounds is not None:
            yield Segment(click.id, click.label, float(iou[chosen]), bounds, mask)

    def _compute(self, wanted: Iterable[str], values: Values) -> None:
        for stage in stages_needed(self._stages, wanted, values.keys()):
            values |= self._run(stage, values)


def run_by(graph: StageGraph) -> RunStage:
    """Return a RunStage that runs stages with a graph."""

    def run(stage: StageSpec, values: Mapping[str, Tensor]) -> Values:
        given = {name: values[name] for name in stage.inputs}
        computed = graph.compute_in_place(stage.outputs, given)
        return {name: computed[name] for name in stage.outputs}

    return run


def _pixel_values(image: Image, transform: ImageTransform) -> npt.NDArray[np.float32]:
    how = transform.preprocessing
    if how.fit != "stretch":
        return transform.pixel_values(image)
    small = resized(image, ImageSize(how.height, how.width), how.interpolation)
    levels = small.astype(np.float32) / np.float32(255)
    normal = (levels - np.array(how.mean, np.float32)) / np.array(how.std, np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1)[None])


def _upscaled(logits: Array, transform: ImageTransform, threshold: float) -> npt.NDArray[np.bool_]:
    if transform.preprocessing.fit != "stretch":
        return transform.mask_to_source(logits, threshold)
    height, width = transform.source
    large = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large > np.float32(threshold), np.bool_)
