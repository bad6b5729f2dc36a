"""Answers interactive prompts: points and a box become model inputs, and one mask the answer."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam3_ros.core.bundle.manifest import InteractiveSettings, SingleMask
from sam3_ros.core.geometry import ImageSize
from sam3_ros.core.segmenter.checks import require_finite
from sam3_ros.core.segmenter.embedding import ImageEmbedding
from sam3_ros.core.segmenter.prompts import InteractivePrompt
from sam3_ros.core.segmenter.segments import Segment
from sam3_ros.core.segmenter.transform import ImageTransform
from sam3_ros.core.stages.session import Array
from sam3_ros.core.stages.tensor_names import INTERACTIVE_OUTPUTS, OBJECT_SCORE
from sam3_ros.core.timings import CallTimings

# Labels of points beside negative (0) and positive (1) ones, as SAM has them.
PADDING, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT = -1, 2, 3


@dataclass(frozen=True, eq=False)
class InteractiveAnswer:
    """The object that a prompt points at, or why there is none."""

    #: None where there is no object.
    segment: Segment | None
    #: f32[h, w] over the model's frame: the mask that was chosen, also where there is no segment.
    mask_logits: Array
    #: Why there is no object, for people; empty where there is one.
    nothing: str = ""


class InteractiveAnswers:
    """Answers interactive prompts with the stages of one bundle."""

    def __init__(self, settings: InteractiveSettings, timings: CallTimings) -> None:
        self.settings = settings
        self._timings = timings

    def answer(
        self, image: ImageEmbedding, prompt: InteractivePrompt, mask_logits: Array | None = None
    ) -> InteractiveAnswer:
        """Answer a prompt. There is no object where the model sees none or its mask is empty.

        mask_logits: the mask prompt, of an earlier answer; only for a model that takes one.
        """
        settings = self.settings
        feeds = prompt_feeds(prompt, image.transform, settings, mask_logits)
        computed = image.compute(wanted_tensors(settings), feeds)
        with self._timings.measure("postprocess"):
            masks, iou = computed["sam_masks"][0], computed["sam_iou"][0]
            if shows_no_object(computed, settings):
                return InteractiveAnswer(None, masks[0], "the model sees no object there")
            require_finite("masks", masks)
            require_finite("mask scores", iou)
            ambiguous = mask_logits is None and is_ambiguous(prompt, settings)
            chosen = choose_mask(masks, iou, ambiguous, settings.single_mask)
            found = image.transform.found_in_source(
                masks[chosen], settings.mask_threshold, settings.mask_fit
            )
            if found.bounds is None:
                return InteractiveAnswer(None, masks[chosen], "the model's mask is empty")
            score = float(iou[chosen])
            segment = Segment(
                prompt.id, prompt.label, score, found.bounds, found.mask, found.bounds
            )
            return InteractiveAnswer(segment, masks[chosen])


def prompt_feeds(
    prompt: InteractivePrompt,
    transform: ImageTransform,
    settings: InteractiveSettings,
    mask_logits: Array | None = None,
) -> dict[str, Array]:
    """Return point_coords f32[1,N,2] in prompt space, point_labels int64[1,N], and mask_feeds.

    The box comes first, as its two corners. mask_logits: f32[h, w] of an earlier answer, over the
    same frame; only for a model that takes a mask.
    """
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    if prompt.box is not None:
        box = prompt.box  # not clipped: the original takes it as it is
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
    """Return mask_input f32[1,1,h,w], and has_mask f32[1]: 1 if the model is to use it, else 0."""
    if mask_logits is None:
        empty = np.zeros((1, 1, size.height, size.width), np.float32)
        return {"mask_input": empty, "has_mask": np.zeros(1, np.float32)}
    fitted = mask_logits.astype(np.float32, copy=False)
    if fitted.shape != tuple(size):
        wanted = (size.width, size.height)
        fitted = np.asarray(cv2.resize(fitted, wanted, interpolation=cv2.INTER_LINEAR), np.float32)
    return {"mask_input": fitted[None, None], "has_mask": np.ones(1, np.float32)}


def wanted_tensors(settings: InteractiveSettings) -> tuple[str, ...]:
    """Return the names of the tensors that an answer is read from."""
    gate = (OBJECT_SCORE,) if settings.object_score == "gate" else ()
    return (*INTERACTIVE_OUTPUTS, *gate)


def is_ambiguous(prompt: InteractivePrompt, settings: InteractiveSettings) -> bool:
    """Return whether the prompt may mean a part or the whole: the best of masks 1:4 answers it."""
    return prompt.box is None and len(prompt.points) <= settings.multimask_max_points


def choose_mask(masks: Array, iou: Array, ambiguous: bool, rule: SingleMask) -> int:
    """Return the index of the mask that answers. masks: logits f32[4, h, w], iou: f32[4]."""
    best_of_three = 1 + int(np.argmax(iou[1:]))
    if ambiguous:
        return best_of_three
    if rule.rule == "first" or stability(masks[0], rule.delta) >= rule.threshold:
        return 0
    return best_of_three


def stability(logits: Array, delta: float) -> float:
    """Return the IoU of the mask cut at +delta and at -delta; 1 where both are empty.

    Source: SAM 2 (facebookresearch/sam2, mask_decoder.py, _get_stability_scores).
    """
    union = np.count_nonzero(logits > -delta)
    return np.count_nonzero(logits > delta) / union if union else 1.0


def shows_no_object(computed: dict[str, Array], settings: InteractiveSettings) -> bool:
    """Return whether the model says, and the bundle trusts it, that nothing is there.

    Raises InferenceError for a score that is not finite.
    """
    if settings.object_score == "ignore":
        return False
    logit = computed[OBJECT_SCORE]
    require_finite("object score", logit)
    return float(logit.reshape(-1)[0]) <= 0
