"""Interactive prompts: points and a box in the form the model takes, and which mask answers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam3_ros.core.bundle.manifest import InteractiveSettings, SingleMask
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.checks import clipped_box, require_finite
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.session import Array
from sam3_ros.core.stages.tensor_names import INTERACTIVE_OUTPUTS, OBJECT_SCORE
from sam3_ros.core.timings import Timings

PADDING, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 2, 3


def prompt_feeds(
    prompt: InteractivePrompt,
    transform: ImageTransform,
    settings: InteractiveSettings,
    mask_logits: Array | None = None,
) -> dict[str, Array]:
    """point_coords f32[1,N,2] in prompt space, point_labels int64[1,N], and the mask prompt.

    The box comes first, as its two corners. mask_logits: f32[h, w] of an earlier answer, over the
    same frame; only for a model that takes a mask. Raises PromptError for a box outside the image.
    """
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    if prompt.box is not None:
        box = clipped_box(prompt.box, transform.source, prompt.id)
        points += [(box.x_min, box.y_min), (box.x_max, box.y_max)]
        labels += [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]
    labels += prompt.point_labels
    coords = transform.points_to_prompt_space([*points, *prompt.points])
    if settings.padding_point == "without_box" and prompt.box is None:
        coords = np.concatenate([coords, np.zeros((1, 2), np.float32)])
        labels.append(PADDING)
    feeds: dict[str, Array] = {
        "point_coords": coords[None],
        "point_labels": np.array([labels], np.int64),
    }
    if settings.mask_input is not None:
        feeds |= mask_feeds(mask_logits, settings.mask_input)
    return feeds


def mask_feeds(mask_logits: Array | None, size: ImageSize) -> dict[str, Array]:
    """mask_input f32[1,1,h,w] and has_mask f32[1], which says whether the model is to look."""
    if mask_logits is None:
        empty = np.zeros((1, 1, size.height, size.width), np.float32)
        return {"mask_input": empty, "has_mask": np.zeros(1, np.float32)}
    fitted = mask_logits.astype(np.float32, copy=False)
    if fitted.shape != (size.height, size.width):
        wanted = (size.width, size.height)
        fitted = np.asarray(cv2.resize(fitted, wanted, interpolation=cv2.INTER_LINEAR), np.float32)
    return {"mask_input": fitted[None, None], "has_mask": np.ones(1, np.float32)}


def wanted_tensors(settings: InteractiveSettings) -> tuple[str, ...]:
    """What the stages must compute to answer."""
    gate = (OBJECT_SCORE,) if settings.object_score == "gate" else ()
    return (*INTERACTIVE_OUTPUTS, *gate)


def is_ambiguous(prompt: InteractivePrompt, settings: InteractiveSettings) -> bool:
    """Could the prompt mean a part as well as the whole? Then the best of masks 1:4 answers."""
    return prompt.box is None and len(prompt.points) <= settings.multimask_max_points


def choose_mask(masks: Array, iou: Array, ambiguous: bool, rule: SingleMask) -> int:
    """Index of the mask that answers. masks: logits f32[4, h, w], iou: f32[4]."""
    best_of_three = 1 + int(np.argmax(iou[1:]))
    if ambiguous:
        return best_of_three
    if rule.rule == "first" or stability(masks[0], rule.delta) >= rule.threshold:
        return 0
    return best_of_three


def stability(logits: Array, delta: float) -> float:
    """IoU of the mask cut at +delta and at -delta; 1 where both are empty.

    Source: SAM 2 (facebookresearch/sam2, mask_decoder.py, _get_stability_scores).
    """
    union = np.count_nonzero(logits > -delta)
    return np.count_nonzero(logits > delta) / union if union else 1.0


def shows_no_object(computed: dict[str, Array], settings: InteractiveSettings) -> bool:
    """Does the model say, and the bundle trust it, that nothing is there?"""
    if settings.object_score == "ignore":
        return False
    logit = computed[OBJECT_SCORE]
    require_finite("object score", logit)
    return float(logit.reshape(-1)[0]) <= 0


@dataclass(frozen=True, eq=False)
class InteractiveAnswer:
    """segment: None where there is nothing; `nothing` then says why, for people. mask_logits:
    f32[h, w] over the model's frame, of the mask that answered, also where it is not believed."""

    segment: Segment | None
    mask_logits: Array
    nothing: str = ""


class InteractiveAnswers:
    """Answers interactive prompts with the stages of one bundle."""

    def __init__(self, settings: InteractiveSettings, timings: Timings) -> None:
        self.settings = settings
        self._timings = timings

    def ask(self, image: ImageEmbedding, prompt: InteractivePrompt) -> list[Segment]:
        """One segment, or none where the model sees no object or its mask is empty."""
        answer = self.answer(image, prompt)
        return [] if answer.segment is None else [answer.segment]

    def answer(
        self, image: ImageEmbedding, prompt: InteractivePrompt, mask_logits: Array | None = None
    ) -> InteractiveAnswer:
        """mask_logits: the mask prompt, of an earlier answer; only for a model that takes one."""
        feeds = prompt_feeds(prompt, image.transform, self.settings, mask_logits)
        computed = image.compute(wanted_tensors(self.settings), feeds)
        with self._timings.measure("postprocess"):
            masks, iou = computed["sam_masks"][0], computed["sam_iou"][0]
            if shows_no_object(computed, self.settings):
                return InteractiveAnswer(None, masks[0], "the model sees no object there")
            return self._best(image, prompt, masks, iou, mask_logits is None)

    def _best(
        self,
        image: ImageEmbedding,
        prompt: InteractivePrompt,
        masks: Array,
        iou: Array,
        may_be_ambiguous: bool,
    ) -> InteractiveAnswer:
        require_finite("masks", masks)
        require_finite("mask scores", iou)
        settings = self.settings
        ambiguous = may_be_ambiguous and is_ambiguous(prompt, settings)
        chosen = choose_mask(masks, iou, ambiguous, settings.single_mask)
        found = image.transform.found_in_source(
            masks[chosen], settings.mask_threshold, settings.mask_fit
        )
        bounds = found.bounds
        if bounds is None:
            return InteractiveAnswer(None, masks[chosen], "the model's mask is empty")
        segment = Segment(prompt.id, prompt.label, float(iou[chosen]), bounds, found.mask, bounds)
        return InteractiveAnswer(segment, masks[chosen])
